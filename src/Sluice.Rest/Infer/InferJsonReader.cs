using System.Buffers;
using System.Text.Json;
using Sluice.Inference;
using Sluice.Rest.Json;
using Sluice.Tensors;

namespace Sluice.Rest.Infer;

/// <summary>Reads the JSON part of an inference request into a pooled request, tensors straight into buffers.</summary>
/// <remarks>
/// <para>Grammar (spec §2.3): <c>{id, parameters, inputs: [{name, shape, datatype, parameters, data}], outputs: [{name,
/// parameters}]}</c>; keys come in any order, unknown ones are passed over.</para>
/// <para><b>Threads.</b> Pure over its arguments; allocates nothing in steady state.</para>
/// </remarks>
internal static class InferJsonReader
{
    /// <summary>Reads the text.</summary>
    /// <param name="json">The JSON part.</param>
    /// <param name="request">An empty request whose model is named.</param>
    /// <param name="pool">Where tensors go.</param>
    /// <exception cref="InferenceException">The text is no JSON, or says what the protocol forbids.</exception>
    public static void Read(in ReadOnlySequence<byte> json, InferRequest request, TensorBufferPool pool)
    {
        try
        {
            var reader = json.IsSingleSegment
                ? new Utf8JsonReader(json.FirstSpan, JsonTokens.Options)
                : new Utf8JsonReader(json, JsonTokens.Options);
            ReadRoot(ref reader, json.Length, request, pool);
            if (reader.Read())
                throw InferenceException.Invalid("failed to parse the request JSON buffer: text follows the object");
        }
        catch (Exception error) when (JsonTokens.IsOfReader(error))
        {
            throw JsonTokens.Unreadable(error);
        }
    }

    private static void ReadRoot(ref Utf8JsonReader reader, long length, InferRequest request, TensorBufferPool pool)
    {
        JsonTokens.Expect(ref reader, "request", JsonTokenType.StartObject);
        var hasInputs = false;
        while (JsonTokens.Next(ref reader) == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("id"u8))
            {
                JsonTokens.Next(ref reader);
                request.Id = JsonTokens.ReadText(ref reader, "id", request);
            }
            else if (reader.ValueTextEquals("parameters"u8))
            {
                InferJsonParameters.ReadOfRequest(ref reader, request);
            }
            else if (reader.ValueTextEquals("inputs"u8))
            {
                hasInputs = true;
                JsonTokens.Expect(ref reader, "inputs", JsonTokenType.StartArray);
                while (JsonTokens.Next(ref reader) != JsonTokenType.EndArray)
                    InferJsonInput.Read(ref reader, length, request, pool);
            }
            else if (reader.ValueTextEquals("outputs"u8))
            {
                JsonTokens.Expect(ref reader, "outputs", JsonTokenType.StartArray);
                while (JsonTokens.Next(ref reader) != JsonTokenType.EndArray)
                    ReadOutput(ref reader, request);
            }
            else
            {
                JsonTokens.SkipValue(ref reader);
            }
        }

        if (!hasInputs)
            throw JsonTokens.Missing("inputs");
    }

    private static void ReadOutput(ref Utf8JsonReader reader, InferRequest request)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw JsonTokens.Mistyped("outputs", JsonTokenType.StartObject);
        ref var output = ref request.AddRequestedOutput();
        var hasName = false;
        while (JsonTokens.Next(ref reader) == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("name"u8))
            {
                hasName = true;
                JsonTokens.Next(ref reader);
                output.Name = JsonTokens.ReadText(ref reader, "name", request);
            }
            else if (reader.ValueTextEquals("parameters"u8))
            {
                InferJsonParameters.ReadOfOutput(ref reader, request, ref output);
            }
            else
            {
                JsonTokens.SkipValue(ref reader);
            }
        }

        if (!hasName)
            throw JsonTokens.Missing("name");
        PlacementParameters.CheckComplete(request, output.Shared, output.Name);
        var last = request.RequestedOutputCount - 1;
        for (var i = 0; i < last; i++)
        {
            if (request.Text(request.RequestedOutputs[i].Name).SequenceEqual(request.Text(output.Name)))
                throw InferenceException.Invalid($"output '{request.TextString(output.Name)}' already exists in request");
        }
    }
}
