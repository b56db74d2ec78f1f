using System.Buffers.Binary;
using System.Text.Json;
using Sluice.Inference;
using Sluice.Rest.Json;
using Sluice.Tensors;

namespace Sluice.Rest.Serve;

/// <summary>Reads <c>{"input": [[1, 2]], …}</c> into a request: types from the model, shapes from the nesting.</summary>
internal static class TensorObjectReader
{
    /// <summary>Reads all inputs.</summary>
    /// <param name="json">One JSON object.</param>
    /// <param name="model">What the model takes.</param>
    /// <param name="request">Gets the inputs.</param>
    /// <param name="pool">Where tensors go.</param>
    /// <param name="endpoint">For messages.</param>
    /// <exception cref="InferenceException">A value does not fit its input.</exception>
    /// <exception cref="JsonException">The text is no JSON.</exception>
    public static void Read(
        ReadOnlySpan<byte> json, ModelSettings model, InferRequest request, TensorBufferPool pool, string endpoint)
    {
        if (json.IsEmpty)
            return;
        var reader = new Utf8JsonReader(json, JsonTokens.Options);
        JsonTokens.Next(ref reader);
        while (JsonTokens.Next(ref reader) == JsonTokenType.PropertyName)
        {
            if (Find(ref reader, model) is not { } tensor)
                throw InferenceException.Invalid(
                    $"endpoint '{endpoint}' has no input '{JsonTokens.Quote(ref reader)}'; its inputs are: " +
                    string.Join(", ", model.Inputs.Select(input => $"'{input.Name}'")));
            JsonTokens.Next(ref reader);
            ReadTensor(ref reader, tensor, model, request, pool);
        }
    }

    private static TensorSettings? Find(ref Utf8JsonReader reader, ModelSettings model)
    {
        foreach (var input in model.Inputs)
        {
            if (reader.ValueTextEquals(input.NameUtf8))
                return input;
        }

        return null;
    }

    private static void ReadTensor(
        ref Utf8JsonReader reader, TensorSettings tensor, ModelSettings model, InferRequest request, TensorBufferPool pool)
    {
        var given = NestedShape.Measure(reader, tensor.Name);
        ref var input = ref request.AddInput();
        input.Name = request.AddText(tensor.NameUtf8);
        input.Shape = Fit(given, tensor, model);
        var isHalf = tensor.DataType is DataType.Fp16 or DataType.Bf16;
        input.DataType = isHalf ? DataType.Fp32 : tensor.DataType;
        if (reader.TokenType == JsonTokenType.StartArray)
            TensorJsonReader.Read(ref reader, long.MaxValue, request, ref input, pool);
        else
            TensorJsonReader.ReadScalar(ref reader, request, ref input, pool);
        if (isHalf)
            Narrow(ref input, tensor.DataType, pool);
    }

    /// <summary>Finds the shape that the model wants for what was given: people leave the batch dimension and ones away.</summary>
    private static Shape Fit(Shape given, TensorSettings tensor, ModelSettings model)
    {
        long[] wanted = model.MaxBatchSize > 0 && !tensor.IsShapeTensor ? [-1, .. tensor.ClientDims] : tensor.ClientDims;
        if (given.Rank == wanted.Length || !given.TryGetElementCount(out var count))
            return given;
        if (model.MaxBatchSize > 0 && given.Rank == tensor.ClientDims.Length)
            return given.Prepend(1);
        Span<long> dims = stackalloc long[wanted.Length];
        wanted.CopyTo(dims);
        long fixedCount = 1;
        var free = -1;
        for (var i = 0; i < dims.Length; i++)
        {
            if (dims[i] >= 0)
                fixedCount *= dims[i];
            else if (free < 0)
                free = i;
            else
                dims[i] = 1;
        }

        if (free >= 0 && fixedCount > 0 && count % fixedCount == 0)
            dims[free] = count / fixedCount;
        var fitted = Shape.Create(dims);
        return fitted.TryGetElementCount(out var size) && size == count ? fitted : given;
    }

    private static void Narrow(ref InputTensor input, DataType type, TensorBufferPool pool)
    {
        var wide = input.Owned!;
        var count = wide.Length / sizeof(float);
        var narrow = pool.Rent(count * sizeof(ushort));
        for (var i = 0; i < count; i++)
        {
            var value = BinaryPrimitives.ReadSingleLittleEndian(wide.GetSpan()[(i * sizeof(float))..]);
            BinaryPrimitives.WriteUInt16LittleEndian(narrow.GetSpan()[(i * sizeof(ushort))..], HalfNumbers.FromSingle(value, type));
        }

        wide.Dispose();
        input.Owned = narrow;
        input.DataType = type;
        input.Data = new(narrow.Memory);
    }
}
