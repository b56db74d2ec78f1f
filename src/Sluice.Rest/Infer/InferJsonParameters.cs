using System.Text.Json;
using Sluice.Inference;
using Sluice.Rest.Json;

namespace Sluice.Rest.Infer;

/// <summary>Reads the <c>parameters</c> objects of a request, of its inputs and of its outputs.</summary>
internal static class InferJsonParameters
{
    public static void ReadOfRequest(ref Utf8JsonReader reader, InferRequest request)
    {
        JsonTokens.Expect(ref reader, "parameters", JsonTokenType.StartObject);
        while (JsonTokens.Next(ref reader) == JsonTokenType.PropertyName)
            ReadOne(ref reader, request);
    }

    /// <summary>Reads one parameter of a request, whose key the reader stands on.</summary>
    public static void ReadOne(ref Utf8JsonReader reader, InferRequest request)
    {
        ReservedParameters.Apply(request, ReadParameter(ref reader, request), isHttp: true);
    }

    public static void ReadOfInput(ref Utf8JsonReader reader, InferRequest request, ref InputTensor input)
    {
        JsonTokens.Expect(ref reader, "parameters", JsonTokenType.StartObject);
        while (JsonTokens.Next(ref reader) == JsonTokenType.PropertyName)
        {
            if (IsOfSharedMemory(ref reader))
            {
                PlacementParameters.Apply(request, ref input, ReadParameter(ref reader, request), isHttp: true);
                continue;
            }

            if (!reader.ValueTextEquals("binary_data_size"u8))
            {
                JsonTokens.SkipValue(ref reader);
                continue;
            }

            JsonTokens.Expect(ref reader, "binary_data_size", JsonTokenType.Number);
            if (!reader.TryGetInt64(out input.BinaryByteSize) || input.BinaryByteSize < 0)
                throw InferenceException.Invalid(
                    "Unable to parse 'binary_data_size': attempt to access JSON non-unsigned-integer as unsigned-integer");
        }
    }

    public static void ReadOfOutput(ref Utf8JsonReader reader, InferRequest request, ref RequestedOutput output)
    {
        JsonTokens.Expect(ref reader, "parameters", JsonTokenType.StartObject);
        while (JsonTokens.Next(ref reader) == JsonTokenType.PropertyName)
        {
            if (IsOfSharedMemory(ref reader) || reader.ValueTextEquals("classification"u8))
            {
                PlacementParameters.Apply(request, ref output, ReadParameter(ref reader, request), isHttp: true);
                continue;
            }

            if (!reader.ValueTextEquals("binary_data"u8))
            {
                JsonTokens.SkipValue(ref reader);
                continue;
            }

            output.IsBinary = JsonTokens.Next(ref reader) switch
            {
                JsonTokenType.True => true,
                JsonTokenType.False => false,
                _ => throw JsonTokens.Mistyped("binary_data", JsonTokenType.True),
            };
        }
    }

    private static bool IsOfSharedMemory(ref Utf8JsonReader reader) =>
        reader.ValueTextEquals("shared_memory_region"u8) || reader.ValueTextEquals("shared_memory_byte_size"u8) ||
        reader.ValueTextEquals("shared_memory_offset"u8);

    /// <summary>Reads the property that the reader stands on.</summary>
    private static RequestParameter ReadParameter(ref Utf8JsonReader reader, InferRequest request)
    {
        var key = JsonTokens.ReadText(ref reader, "parameters", request);
        JsonTokens.Next(ref reader);
        return ReadValue(ref reader, key, request);
    }

    private static RequestParameter ReadValue(ref Utf8JsonReader reader, Utf8Slice key, InferRequest request)
    {
        var parameter = new RequestParameter { Key = key };
        switch (reader.TokenType)
        {
            case JsonTokenType.True or JsonTokenType.False:
                parameter.Kind = ParameterKind.Bool;
                parameter.Bits = reader.TokenType == JsonTokenType.True ? 1 : 0;
                break;
            case JsonTokenType.String when BareWords.TryRead(in reader, out var word):
                parameter.Kind = ParameterKind.Double;
                parameter.Bits = BitConverter.DoubleToInt64Bits(word);
                break;
            case JsonTokenType.String:
                parameter.Kind = ParameterKind.String;
                parameter.Text = JsonTokens.ReadText(ref reader, "parameters", request);
                break;
            case JsonTokenType.Number when reader.TryGetInt64(out parameter.Bits):
                parameter.Kind = ParameterKind.Int64;
                break;
            case JsonTokenType.Number when reader.TryGetUInt64(out var number):
                parameter.Kind = ParameterKind.UInt64;
                parameter.Bits = (long)number;
                break;
            case JsonTokenType.Number:
                parameter.Kind = ParameterKind.Double;
                parameter.Bits = BitConverter.DoubleToInt64Bits(reader.GetDouble());
                break;
            default:
                throw InferenceException.Invalid(
                    $"parameter '{request.TextString(key)}' has invalid type. It should be either 'int', 'bool', 'double', or " +
                    "'string'.");
        }

        return parameter;
    }
}
