using System.Buffers;
using System.Text;
using Google.Protobuf;
using Sluice.Protocol.Codec;
using Sluice.Protocol.Inference;
using Sluice.Protocol.Wire;
using DataType = Sluice.Tensors.DataType;

namespace Sluice.Protocol.Tests.Codec;

/// <summary>The client's side of the codec against Google.Protobuf.</summary>
public sealed class ClientCodecTests
{
    private static readonly InferInput[] Tensors =
    [
        InferInput.Create<bool>("bool", [true, false], 2),
        InferInput.Create<sbyte>("int8", [-128, 127], 2),
        InferInput.Create<short>("int16", [short.MinValue, short.MaxValue], 2),
        InferInput.Create<int>("int32", [int.MinValue, int.MaxValue], 2),
        InferInput.Create<long>("int64", [long.MinValue, long.MaxValue], 2),
        InferInput.Create<byte>("uint8", [0, 255], 2),
        InferInput.Create<ushort>("uint16", [0, ushort.MaxValue], 2),
        InferInput.Create<uint>("uint32", [0, uint.MaxValue], 2),
        InferInput.Create<ulong>("uint64", [0, ulong.MaxValue], 2),
        InferInput.Wrap<float>("fp32", new[] { float.NaN, -0f }, 1, 2),
        InferInput.Wrap<double>("fp64", new[] { double.Epsilon, double.NegativeInfinity }, 2, 1),
        InferInput.CreateStrings("größe", ["", "模型"], 2),
        InferInput.Create<float>("scalar", [1]),
        InferInput.Create<int>("empty", [], 0, 4),
    ];

    [Fact]
    public void Writer_RawRequest_ReadsBackWithGoogleProtobuf()
    {
        var message = Write(Request(isTyped: false));
        Assert.Equal("模型", message.ModelName);
        Assert.Equal("3", message.ModelVersion);
        Assert.Equal("id-ü", message.Id);
        Assert.Equal(7, message.Parameters["priority"].Int64Param);
        Assert.Equal(["a", new string('b', 300)], message.Outputs.Select(output => output.Name));
        Assert.Equal(Tensors.Select(tensor => tensor.Name), message.Inputs.Select(input => input.Name));
        Assert.Equal(Tensors.Select(tensor => tensor.Shape.Dimensions.ToArray()), message.Inputs.Select(input => input.Shape.ToArray()));
        Assert.Equal(Tensors.Select(tensor => tensor.Data.ToArray()), message.RawInputContents.Select(raw => raw.ToByteArray()));
    }

    [Fact]
    public void Writer_TypedRequest_ReadsBackWithGoogleProtobuf()
    {
        var message = Write(Request(isTyped: true));
        Assert.Empty(message.RawInputContents);
        var contents = message.Inputs.Select(input => input.Contents).ToArray();
        Assert.Equal([true, false], contents[0].BoolContents);
        Assert.Equal([-128, 127], contents[1].IntContents);
        Assert.Equal([short.MinValue, short.MaxValue], contents[2].IntContents);
        Assert.Equal([int.MinValue, int.MaxValue], contents[3].IntContents);
        Assert.Equal([long.MinValue, long.MaxValue], contents[4].Int64Contents);
        Assert.Equal([0u, 255u], contents[5].UintContents);
        Assert.Equal([0u, ushort.MaxValue], contents[6].UintContents);
        Assert.Equal([0u, uint.MaxValue], contents[7].UintContents);
        Assert.Equal([0ul, ulong.MaxValue], contents[8].Uint64Contents);
        Assert.Equal([float.NaN, -0f], contents[9].Fp32Contents);
        Assert.Equal([double.Epsilon, double.NegativeInfinity], contents[10].Fp64Contents);
        Assert.Equal(["", "模型"], contents[11].BytesContents.Select(text => text.ToStringUtf8()));
    }

    [Fact]
    public void Writer_Fp16AsTyped_IsRefused() => Assert.Throws<NotSupportedException>(() => Write(new InferRequestMessage
    {
        ModelName = "m",
        Inputs = [InferInput.Create<Half>("x", [Half.One], 1)],
        UsesTypedContents = true,
    }));

    [Fact]
    public void Reader_RawResponse_ShowsEveryField()
    {
        var message = new ModelInferResponse { ModelName = "m", ModelVersion = "2", Id = "ü" };
        message.Outputs.Add(Output("a", "FP32", 1, 2));
        message.Outputs.Add(Output("b", "BYTES", 0));
        message.RawOutputContents.Add(ByteString.CopyFrom(1, 2, 3, 4, 5, 6, 7, 8));
        message.RawOutputContents.Add(ByteString.Empty);
        var read = InferResponseReader.Read(message.ToByteArray());
        Assert.Equal("ü", Encoding.UTF8.GetString(read.IdUtf8.Span));
        Assert.Equal(2, read.OutputCount);
        Assert.Equal(DataType.Fp32, read.Outputs[0].DataType);
        Assert.Equal([1L, 2L], read.Outputs[0].Shape.Dimensions.ToArray());
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], read.Outputs[0].Data.ToArray());
        Assert.True(read.Outputs[1].Data.IsEmpty);
    }

    [Fact]
    public void Reader_TypedResponse_BecomesRaw()
    {
        var message = new ModelInferResponse();
        var output = Output("a", "INT8", 2);
        output.Contents = new InferTensorContents { IntContents = { -1, 5 } };
        message.Outputs.Add(output);
        output = Output("b", "BYTES", 1);
        output.Contents = new InferTensorContents { BytesContents = { ByteString.CopyFromUtf8("hi") } };
        message.Outputs.Add(output);
        var read = InferResponseReader.Read(message.ToByteArray());
        Assert.Equal([255, 5], read.Outputs[0].Data.ToArray());
        Assert.Equal([2, 0, 0, 0, (byte)'h', (byte)'i'], read.Outputs[1].Data.ToArray());
    }

    [Fact]
    public void Reader_EveryTruncation_FailsCleanlyOrReadsLess()
    {
        var message = new ModelInferResponse { ModelName = "model", RawOutputContents = { ByteString.CopyFrom(1, 2, 3, 4) } };
        message.Outputs.Add(Output("a", "FP32", 1));
        var bytes = new ModelStreamInferResponse { InferResponse = message }.ToByteArray();
        Assert.Equal(1, InferResponseReader.ReadOfStream(bytes).OutputCount);
        for (var length = 1; length < bytes.Length; length++)
            Assert.Throws<WireFormatException>(() => InferResponseReader.ReadOfStream(bytes.AsMemory(0, length)));
    }

    [Fact]
    public void Reader_MoreRawContentsThanOutputs_IsRefused() => Assert.Throws<WireFormatException>(() =>
        InferResponseReader.Read(new ModelInferResponse { RawOutputContents = { ByteString.Empty } }.ToByteArray()));

    private static InferRequestMessage Request(bool isTyped) => new()
    {
        ModelName = "模型",
        ModelVersion = "3",
        Id = "id-ü",
        Inputs = Tensors,
        Outputs = ["a", new string('b', 300)],
        Parameters = new Dictionary<string, InferParameter> { ["priority"] = new() { Int64Param = 7 } },
        UsesTypedContents = isTyped,
    };

    private static ModelInferRequest Write(InferRequestMessage request)
    {
        var output = new ArrayBufferWriter<byte>();
        InferRequestWriter.Write(output, request);
        Assert.Equal(InferRequestWriter.Measure(request), output.WrittenCount);
        return ModelInferRequest.Parser.ParseFrom(output.WrittenSpan);
    }

    private static ModelInferResponse.Types.InferOutputTensor Output(string name, string type, params long[] shape) =>
        new() { Name = name, Datatype = type, Shape = { shape } };
}
