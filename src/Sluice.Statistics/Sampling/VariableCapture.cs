using System.Buffers;
using System.Text.Json;
using Sluice.Inference;

namespace Sluice.Statistics.Sampling;

/// <summary>Copies a call's variables into a record: JSON values by their keys, tensors by their names.</summary>
/// <remarks>Nothing here fails a call. Where a name occurs more than once, the answer's value counts before the request's.</remarks>
internal static class VariableCapture
{
    /// <summary>Copies members of a JSON object; anything else has none.</summary>
    public static void AddJson(SampleRecord record, SamplingPlan plan, ReadOnlySpan<byte> json)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var variable = Find(ref reader, plan);
                reader.Read();
                var start = (int)reader.TokenStartIndex;
                reader.Skip();
                if (variable >= 0)
                    record.AddJson(variable, json[start..(int)reader.BytesConsumed]);
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // What only Python takes for JSON, and halves of letters, were good enough for the code; here they are counted.
            record.UnreadableCount++;
        }
    }

    /// <summary>Tells whether a response has an output that is a variable.</summary>
    public static bool HasOutputs(SamplingPlan plan, InferRequest request)
    {
        var outputs = request.Settings!.Outputs;
        foreach (ref readonly var output in request.Outputs)
        {
            foreach (var variable in plan.Variables)
            {
                if (variable.NameUtf8.AsSpan().SequenceEqual(outputs[output.Index].NameUtf8))
                    return true;
            }
        }

        return false;
    }

    /// <summary>Copies outputs of a response of a decoupled model.</summary>
    public static void AddOutputs(SampleRecord record, SamplingPlan plan, InferRequest request)
    {
        for (var i = 0; i < plan.Variables.Length; i++)
            TryAddOutput(record, i, plan.Variables[i].NameUtf8, request);
    }

    /// <summary>Copies tensors: outputs where there is one of the name, else inputs.</summary>
    /// <remarks>The outputs of a decoupled model have been taken, response by response; they come before inputs there too.</remarks>
    public static void AddTensors(SampleRecord record, SamplingPlan plan, InferRequest request)
    {
        for (var i = 0; i < plan.Variables.Length; i++)
        {
            ReadOnlySpan<byte> name = plan.Variables[i].NameUtf8;
            if (!TryAddOutput(record, i, name, request) && !IsStreamed(name, request.Settings!))
                TryAddInput(record, i, name, request);
        }
    }

    private static int Find(ref Utf8JsonReader reader, SamplingPlan plan)
    {
        for (var i = 0; i < plan.Variables.Length; i++)
        {
            if (reader.ValueTextEquals(plan.Variables[i].NameUtf8))
                return i;
        }

        return -1;
    }

    private static bool IsStreamed(ReadOnlySpan<byte> name, ModelSettings settings)
    {
        if (!settings.IsDecoupled)
            return false;
        foreach (var output in settings.Outputs)
        {
            if (name.SequenceEqual(output.NameUtf8))
                return true;
        }

        return false;
    }

    private static bool TryAddOutput(SampleRecord record, int variable, ReadOnlySpan<byte> name, InferRequest request)
    {
        var outputs = request.Settings!.Outputs;
        foreach (ref readonly var output in request.Outputs)
        {
            if (!name.SequenceEqual(outputs[output.Index].NameUtf8))
                continue;
            var room = record.AddTensor(variable, output.DataType, output.Length);
            if (request.NeedsPlacement && !room.IsEmpty)
                Copy(record, TensorPlacement.CopyStart(request, in output, output.Length), room);
            else if (!room.IsEmpty)
                output.Data.CopyTo(room);
            return true;
        }

        return false;
    }

    private static void TryAddInput(SampleRecord record, int variable, ReadOnlySpan<byte> name, InferRequest request)
    {
        foreach (ref readonly var input in request.Inputs)
        {
            if (!name.SequenceEqual(request.Text(input.Name)))
                continue;
            var room = record.AddTensor(variable, input.DataType, input.Data.Length);
            if (input.Shared != 0 && !room.IsEmpty)
                Copy(record, TensorPlacement.CopyStart(request, in input, (int)input.Data.Length), room);
            else if (!room.IsEmpty)
                input.Data.CopyTo(room);
            return;
        }
    }

    /// <summary>Shared memory may have gone meanwhile.</summary>
    private static void Copy(SampleRecord record, ReadOnlySpan<byte> bytes, Span<byte> room)
    {
        room.Clear();
        if (bytes.Length == room.Length)
            bytes.CopyTo(room);
        else
            record.UnreadableCount++;
    }
}
