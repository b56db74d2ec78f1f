using System.Text.Json;
using Sluice.Inference;
using Sluice.Rest.Json;
using Sluice.Tensors;

namespace Sluice.Rest.Infer;

/// <summary>Reads one entry of <c>inputs</c>.</summary>
internal static class InferJsonInput
{
    private const string OneOf =
        "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', " +
        "'shared_memory_region' in 'parameters'. But";

    private const int LongestDataType = 16;

    public static void Read(ref Utf8JsonReader reader, long length, InferRequest request, TensorBufferPool pool)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw JsonTokens.Mistyped("inputs", JsonTokenType.StartObject);
        ref var input = ref request.AddInput();
        var (hasName, hasShape, hasType, hasData) = (false, false, false, false);
        var deferred = default(Utf8JsonReader);
        while (JsonTokens.Next(ref reader) == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("name"u8))
            {
                JsonTokens.Next(ref reader);
                input.Name = JsonTokens.ReadText(ref reader, "name", request);
                hasName = true;
            }
            else if (reader.ValueTextEquals("shape"u8))
            {
                input.Shape = ReadShape(ref reader);
                hasShape = true;
            }
            else if (reader.ValueTextEquals("datatype"u8))
            {
                input.DataType = ReadDataType(ref reader);
                hasType = true;
            }
            else if (reader.ValueTextEquals("parameters"u8))
            {
                InferJsonParameters.ReadOfInput(ref reader, request, ref input);
            }
            else if (reader.ValueTextEquals("data"u8))
            {
                if (hasData)
                    throw InferenceException.Invalid("an input has more than one 'data' field");
                hasData = true;
                JsonTokens.Next(ref reader);
                if (hasName && hasShape && hasType)
                {
                    TensorJsonReader.Read(ref reader, length - reader.BytesConsumed, request, ref input, pool);
                }
                else
                {
                    // Its type and shape come later: remember the place and read it then.
                    deferred = reader;
                    JsonTokens.SkipRest(ref reader);
                }
            }
            else
            {
                JsonTokens.SkipValue(ref reader);
            }
        }

        Check(hasName, hasShape, hasType);
        CheckSource(hasData, request, ref input);
        if (hasData && !input.HasData)
            TensorJsonReader.Read(ref deferred, length - deferred.BytesConsumed, request, ref input, pool);
    }

    private static void CheckSource(bool hasData, InferRequest request, ref InputTensor input)
    {
        PlacementParameters.CheckComplete(request, input.Shared, input.Name);
        var (isBinary, isShared) = (input.BinaryByteSize >= 0, input.Shared != 0);
        if ((hasData ? 1 : 0) + (isBinary ? 1 : 0) + (isShared ? 1 : 0) == 1)
            return;
        var found = (hasData ? " 'data'" : "") + (isBinary ? " 'binary_data_size'" : "") + (isShared ? " 'shared_memory_region'" : "");
        throw InferenceException.Invalid(
            $"{OneOf} {(found.Length == 0 ? "no field is set" : "set" + found)} for input '{request.TextString(input.Name)}'");
    }

    private static void Check(bool hasName, bool hasShape, bool hasType)
    {
        if (!hasName)
            throw JsonTokens.Missing("name");
        if (!hasShape)
            throw JsonTokens.Missing("shape");
        if (!hasType)
            throw JsonTokens.Missing("datatype");
    }

    private static Shape ReadShape(ref Utf8JsonReader reader)
    {
        JsonTokens.Expect(ref reader, "shape", JsonTokenType.StartArray);
        Span<long> dims = stackalloc long[Shape.MaxRank];
        var rank = 0;
        while (JsonTokens.Next(ref reader) != JsonTokenType.EndArray)
        {
            // Stock clients' tests expect status 500 and this text for a negative dimension (spec §2.3).
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out var dim) || dim < 0)
                throw new InferenceException(
                    InferenceCode.Internal,
                    "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer");
            if (rank == dims.Length)
                throw InferenceException.Invalid($"Unable to parse 'shape': it has more than {dims.Length} dimensions");
            dims[rank++] = dim;
        }

        return Shape.Create(dims[..rank]);
    }

    private static DataType ReadDataType(ref Utf8JsonReader reader)
    {
        JsonTokens.Expect(ref reader, "datatype", JsonTokenType.String);
        Span<byte> text = stackalloc byte[LongestDataType];
        var length = reader.HasValueSequence ? reader.ValueSequence.Length : reader.ValueSpan.Length;
        if (length <= text.Length && DataTypes.TryParse(text[..reader.CopyString(text)], out var type))
            return type;
        throw InferenceException.Invalid($"Unable to parse 'datatype': {JsonTokens.Quote(ref reader)} is no data type");
    }
}
