using FsCheck;
using FsCheck.Fluent;
using Google.Protobuf;
using Sluice.Protocol.Inference;
using Sluice.Tensors;
using DataType = Sluice.Tensors.DataType;
using InputMessage = Sluice.Protocol.Inference.ModelInferRequest.Types.InferInputTensor;
using OutputMessage = Sluice.Protocol.Inference.ModelInferRequest.Types.InferRequestedOutputTensor;

namespace Sluice.Protocol.Tests;

/// <summary>Makes random requests that the protocol allows: all datatypes, typed and raw, with parameters and odd names.</summary>
internal static class RequestGenerator
{
    private static readonly DataType[] AllTypes = [.. Enum.GetValues<DataType>().Where(type => type != DataType.Invalid)];
    private static readonly DataType[] TypedTypes = [.. AllTypes.Where(type => type is not (DataType.Fp16 or DataType.Bf16))];

    public static Gen<ModelInferRequest> Requests =>
        from isRaw in Gen.Elements(true, false)
        from modelName in Names
        from version in Gen.Elements("", "1", "12")
        from id in Names
        from inputs in isRaw ? RawInput.Between(0, 5) : TypedInput.Between(0, 5)
        from outputs in Names.Between(0, 4)
        from parameters in Parameters
        select Compose(isRaw, modelName, version, id, inputs, outputs, parameters);

    public static Arbitrary<ModelInferRequest> Arbitrary => Arb.From(Requests, Shrink);

    public static Gen<string> Names => Gen.OneOf(
        Gen.Elements("", "INPUT0", "größe", "入力", "x\0y", "🙂", "a b"),
        Gen.Choose(100, 400).Select(length => new string('n', length)));

    /// <summary>Makes arrays of a random length.</summary>
    public static Gen<T[]> Between<T>(this Gen<T> elements, int least, int most) =>
        Gen.Choose(least, most).SelectMany(count => elements.ArrayOf(count));

    private static Gen<(InputMessage Input, byte[] Raw)> RawInput =>
        from type in Gen.Elements(AllTypes)
        from name in Names
        from shape in Shapes
        from data in Bytes
        select (Input(name, type, shape), data);

    private static Gen<(InputMessage Input, byte[] Raw)> TypedInput =>
        from type in Gen.Elements(TypedTypes)
        from name in Names
        from isEmpty in Gen.Frequency((1, Gen.Constant(true)), (6, Gen.Constant(false)))
        from shape in Shapes
        from contents in Contents(type)
        select (isEmpty ? Input(name, type, [2, 0]) : Input(name, type, shape, contents), Array.Empty<byte>());

    private static Gen<long[]> Shapes => Gen.OneOf(
        Gen.Elements(0L, 1L, 16L, 300L, -1L, 1L << 40).Between(0, 4),
        Gen.Elements(1L, 2L).Between(9, 12));

    private static Gen<byte[]> Bytes => Gen.OneOf(
        ArbMap.Default.GeneratorFor<byte>().Between(0, 40), Gen.Choose(0, 900).Select(length => new byte[length]));

    private static Gen<(string Key, InferParameter Value)[]> Parameters =>
        (from key in Names
         from value in Gen.OneOf(
             Gen.Elements(true, false).Select(value => new InferParameter { BoolParam = value }),
             Gen.Elements(0L, -1L, long.MinValue, 300L).Select(value => new InferParameter { Int64Param = value }),
             Names.Select(value => new InferParameter { StringParam = value }),
             Gen.Elements(0.0, -1.5, double.NaN, double.MaxValue).Select(value => new InferParameter { DoubleParam = value }))
         select ("p_" + key, value)).Between(0, 4);

    private static Gen<InferTensorContents> Contents(DataType type) => type switch
    {
        DataType.Bool => Gen.Elements(true, false).Between(1, 20)
            .Select(values => new InferTensorContents { BoolContents = { values } }),
        DataType.Int8 or DataType.Int16 or DataType.Int32 => Gen.Elements(0, 1, -1, 127, int.MinValue, int.MaxValue)
            .Between(1, 20).Select(values => new InferTensorContents { IntContents = { values } }),
        DataType.Int64 => Gen.Elements(0L, -1L, 300L, long.MinValue, long.MaxValue).Between(1, 20)
            .Select(values => new InferTensorContents { Int64Contents = { values } }),
        DataType.UInt8 or DataType.UInt16 or DataType.UInt32 => Gen.Elements(0U, 1U, 255U, 65_535U, uint.MaxValue)
            .Between(1, 20).Select(values => new InferTensorContents { UintContents = { values } }),
        DataType.UInt64 => Gen.Elements(0UL, 1UL, ulong.MaxValue).Between(1, 20)
            .Select(values => new InferTensorContents { Uint64Contents = { values } }),
        DataType.Fp32 => Gen.Elements(0f, -0f, 1.5f, float.NaN, float.Epsilon).Between(1, 20)
            .Select(values => new InferTensorContents { Fp32Contents = { values } }),
        DataType.Fp64 => Gen.Elements(0.0, 1.5, double.NegativeInfinity).Between(1, 20)
            .Select(values => new InferTensorContents { Fp64Contents = { values } }),
        _ => Bytes.Between(1, 8)
            .Select(values => new InferTensorContents { BytesContents = { values.Select(ByteString.CopyFrom) } }),
    };

    private static InputMessage Input(string name, DataType type, long[] shape, InferTensorContents? contents = null) => new()
    {
        Name = name,
        Datatype = type.WireName(),
        Shape = { shape },
        Contents = contents,
    };

    private static ModelInferRequest Compose(
        bool isRaw, string modelName, string version, string id, IEnumerable<(InputMessage Input, byte[] Raw)> inputs,
        IEnumerable<string> outputs, (string Key, InferParameter Value)[] parameters)
    {
        var message = new ModelInferRequest { ModelName = modelName, ModelVersion = version, Id = id };
        foreach (var (input, raw) in inputs)
        {
            message.Inputs.Add(input);
            if (isRaw)
                message.RawInputContents.Add(ByteString.CopyFrom(raw));
        }

        message.Outputs.AddRange(outputs.Distinct().Select(name => new OutputMessage { Name = name }));
        foreach (var (key, value) in parameters)
            message.Parameters[key] = value;
        return message;
    }

    private static IEnumerable<ModelInferRequest> Shrink(ModelInferRequest message)
    {
        for (var i = 0; i < message.Inputs.Count; i++)
        {
            var smaller = message.Clone();
            smaller.Inputs.RemoveAt(i);
            if (smaller.RawInputContents.Count > 0)
                smaller.RawInputContents.RemoveAt(i);
            yield return smaller;
        }

        for (var i = 0; i < message.Outputs.Count; i++)
        {
            var smaller = message.Clone();
            smaller.Outputs.RemoveAt(i);
            yield return smaller;
        }

        foreach (var key in message.Parameters.Keys)
        {
            var smaller = message.Clone();
            smaller.Parameters.Remove(key);
            yield return smaller;
        }
    }
}
