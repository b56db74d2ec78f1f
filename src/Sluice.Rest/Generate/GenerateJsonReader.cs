using System.Buffers;
using System.Text.Json;
using Google.Protobuf.Collections;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Rest.Infer;
using Sluice.Rest.Json;
using Sluice.Tensors;
using DataType = Sluice.Tensors.DataType;

namespace Sluice.Rest.Generate;

/// <summary>Reads the flat JSON of the generate extension (spec §2.4) into a request.</summary>
/// <remarks>
/// A key that names an input of the model becomes a tensor of one element, or of a list's; every other key a parameter. The
/// object <c>parameters</c> is read the same way; <c>id</c> is the request's, <c>model_name</c> and <c>model_version</c> stand
/// in the path and are passed over.
/// </remarks>
internal static class GenerateJsonReader
{
    /// <summary>Reads the body; an empty one is an empty object.</summary>
    /// <param name="json">The body.</param>
    /// <param name="model">The model's metadata, shapes with the batch dimension.</param>
    /// <param name="request">An empty request whose model is named.</param>
    /// <param name="pool">Where tensors go.</param>
    /// <exception cref="InferenceException">The text is no JSON, or does not fit the model.</exception>
    public static void Read(
        in ReadOnlySequence<byte> json, ModelMetadataResponse model, InferRequest request, TensorBufferPool pool)
    {
        if (json.IsEmpty)
            return;
        try
        {
            var reader = json.IsSingleSegment
                ? new Utf8JsonReader(json.FirstSpan, JsonTokens.Options)
                : new Utf8JsonReader(json, JsonTokens.Options);
            if (JsonTokens.Next(ref reader) != JsonTokenType.StartObject)
                throw InferenceException.Invalid("failed to parse the request JSON buffer: it is no object");
            ReadObject(ref reader, model.Inputs, request, pool, isNested: false);
            if (reader.Read())
                throw InferenceException.Invalid("failed to parse the request JSON buffer: text follows the object");
        }
        catch (Exception error) when (JsonTokens.IsOfReader(error))
        {
            throw JsonTokens.Unreadable(error);
        }
    }

    private static void ReadObject(
        ref Utf8JsonReader reader, RepeatedField<ModelMetadataResponse.Types.TensorMetadata> inputs, InferRequest request,
        TensorBufferPool pool, bool isNested)
    {
        while (JsonTokens.Next(ref reader) == JsonTokenType.PropertyName)
        {
            if (Find(ref reader, inputs) is { } tensor)
            {
                JsonTokens.Next(ref reader);
                ReadTensor(ref reader, tensor, request, pool);
            }
            else if (!isNested && reader.ValueTextEquals("id"u8))
            {
                JsonTokens.Expect(ref reader, "id", JsonTokenType.String);
                request.Id = JsonTokens.ReadText(ref reader, "id", request);
            }
            else if (!isNested && (reader.ValueTextEquals("model_name"u8) || reader.ValueTextEquals("model_version"u8)))
            {
                JsonTokens.SkipValue(ref reader);
            }
            else if (!isNested && reader.ValueTextEquals("parameters"u8))
            {
                if (JsonTokens.Next(ref reader) != JsonTokenType.StartObject)
                    throw InferenceException.Invalid("Expected JSON object for keyword: 'parameters'");
                ReadObject(ref reader, inputs, request, pool, isNested: true);
            }
            else
            {
                InferJsonParameters.ReadOne(ref reader, request);
            }
        }
    }

    private static ModelMetadataResponse.Types.TensorMetadata? Find(
        ref Utf8JsonReader reader, RepeatedField<ModelMetadataResponse.Types.TensorMetadata> inputs)
    {
        foreach (var input in inputs)
        {
            if (reader.ValueTextEquals(input.Name))
                return input;
        }

        return null;
    }

    private static void ReadTensor(
        ref Utf8JsonReader reader, ModelMetadataResponse.Types.TensorMetadata tensor, InferRequest request, TensorBufferPool pool)
    {
        if (!DataTypes.TryParse(tensor.Datatype, out var type))
            throw InferenceException.Invalid($"input '{tensor.Name}' has unsupported datatype {tensor.Datatype}");
        var isList = reader.TokenType == JsonTokenType.StartArray;
        var count = CheckValues(reader, tensor.Name, type);
        ref var input = ref request.AddInput();
        input.Name = request.AddText(System.Text.Encoding.UTF8.GetBytes(tensor.Name));
        input.DataType = type;
        input.Shape = ShapeFor(tensor, count);
        if (isList)
            TensorJsonReader.Read(ref reader, long.MaxValue, request, ref input, pool);
        else
            TensorJsonReader.ReadScalar(ref reader, request, ref input, pool);
    }

    /// <summary>Counts the values without moving the reader, and sees that each is of the kind that the type takes.</summary>
    private static long CheckValues(Utf8JsonReader reader, string name, DataType type)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            CheckValue(in reader, name, type);
            return 1;
        }

        long count = 0;
        for (; JsonTokens.Next(ref reader) != JsonTokenType.EndArray; count++)
            CheckValue(in reader, name, type);
        return count;
    }

    private static void CheckValue(in Utf8JsonReader reader, string name, DataType type)
    {
        var token = reader.TokenType;
        var isFloat = type is DataType.Fp32 or DataType.Fp64;
        var (isRight, wanted) = type switch
        {
            DataType.Bytes => (token == JsonTokenType.String, JsonTokenType.String),
            DataType.Bool => (token is JsonTokenType.True or JsonTokenType.False, JsonTokenType.True),
            _ => (token == JsonTokenType.Number || (isFloat && token == JsonTokenType.String), JsonTokenType.Number),
        };
        if (!isRight)
            throw JsonTokens.Mistyped(name, wanted);
    }

    /// <summary>Fixed dimensions take their share of the elements, the innermost free one the rest, other free ones 1.</summary>
    private static Shape ShapeFor(ModelMetadataResponse.Types.TensorMetadata tensor, long count)
    {
        Span<long> dims = stackalloc long[tensor.Shape.Count];
        var rest = count;
        for (var i = 0; i < dims.Length; i++)
        {
            dims[i] = tensor.Shape[i];
            if (dims[i] < 0)
                continue;
            if (dims[i] == 0 ? rest != 0 : rest % dims[i] != 0)
                throw Unfit(tensor.Name);
            rest = dims[i] == 0 ? 1 : rest / dims[i];
        }

        for (var i = dims.Length - 1; i >= 0; i--)
        {
            if (dims[i] >= 0)
                continue;
            dims[i] = rest;
            rest = 1;
        }

        return rest == 1 ? Shape.Create(dims) : throw Unfit(tensor.Name);
    }

    private static InferenceException Unfit(string name) =>
        InferenceException.Invalid($"The schema can not convert input '{name}' to tensor with proper shape");
}
