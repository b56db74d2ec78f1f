using System.Collections.Immutable;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Tensors;
using BatchInput = Sluice.Protocol.Inference.BatchInput;
using DataType = Sluice.Protocol.Inference.DataType;

namespace Sluice.Models;

/// <summary>Checks that configuration and model file agree; collects every fault (spec §3.3, step 4).</summary>
internal static class GraphValidator
{
    /// <returns>One sentence per fault; empty when both agree.</returns>
    public static IReadOnlyList<string> Validate(ModelConfig config, ModelDescription graph)
    {
        var errors = new List<string>();
        var hidden = SequenceConfigValidator.HiddenInputs(config).ToHashSet(StringComparer.Ordinal);
        var missing = graph.Inputs
            .Where(t => !t.IsOptional && config.Input.All(i => i.Name != t.Name) && !hidden.Contains(t.Name))
            .Select(t => $"'{t.Name}'").ToArray();
        if (missing.Length > 0)
            errors.Add($"unable to load model '{config.Name}', configuration expects {config.Input.Count} inputs, "
                + $"model provides {graph.Inputs.Length}; missing {string.Join(", ", missing)}");

        foreach (var input in config.Input)
        {
            // Engines see the elements of all requests one behind the other.
            var isRagged = input.AllowRaggedBatch && config.MaxBatchSize > 0;
            var isBatched = config.MaxBatchSize > 0 && !input.IsShapeTensor && !isRagged;
            var shape = new ConfiguredShape(
                input.Name, input.DataType, isRagged ? [-1] : input.Reshape?.Shape ?? input.Dims, isBatched);
            Check(config.Name, "input", shape, graph.Inputs, errors);
        }

        foreach (var output in config.Output)
        {
            var isScattered = config.BatchOutput.Any(scattered => scattered.TargetName.Contains(output.Name));
            var isBatched = config.MaxBatchSize > 0 && !output.IsShapeTensor && !isScattered;
            var shape = new ConfiguredShape(
                output.Name, output.DataType, isScattered ? [-1] : output.Reshape?.Shape ?? output.Dims, isBatched);
            Check(config.Name, "output", shape, graph.Outputs, errors);
        }

        CheckHidden(config, graph, errors);
        return errors;
    }

    private static void CheckHidden(ModelConfig config, ModelDescription graph, List<string> errors)
    {
        var isBatched = config.MaxBatchSize > 0;
        foreach (var control in SequenceSettingsFactory.Create(config)?.Controls ?? [])
        {
            var type = (DataType)control.DataType;
            Check(config.Name, "input", new ConfiguredShape(control.Name, type, [1], isBatched), graph.Inputs, errors);
        }

        foreach (var state in config.SequenceBatching?.State ?? [])
        {
            Check(config.Name, "input", new ConfiguredShape(state.InputName, state.DataType, state.Dims, isBatched), graph.Inputs, errors);
            Check(config.Name, "output", new ConfiguredShape(state.OutputName, state.DataType, state.Dims, isBatched), graph.Outputs, errors);
        }

        foreach (var input in config.BatchInput)
        {
            long[] dims = input.Kind == BatchInput.Types.Kind.BatchItemShape ? [-1, -1] : [-1];
            foreach (var name in input.TargetName)
                Check(config.Name, "input", new ConfiguredShape(name, input.DataType, dims, IsBatched: false), graph.Inputs, errors);
        }
    }

    private static void Check(
        string model, string role, ConfiguredShape tensor, ImmutableArray<TensorDescription> graph, List<string> errors)
    {
        if (graph.Find(tensor.Name) is not { } found)
        {
            errors.Add($"unexpected inference {role} '{tensor.Name}' for model '{model}', allowed {role}s are: "
                + string.Join(", ", graph.Select(t => t.Name)));
            return;
        }

        if ((int)tensor.DataType != (int)found.DataType)
            errors.Add($"unable to load model '{model}', configuration expects datatype "
                + $"{((Sluice.Tensors.DataType)tensor.DataType).ConfigName()} for {role} '{tensor.Name}', "
                + $"model provides {found.DataType.ConfigName()}");

        // Nothing is known of such a tensor until it is computed.
        if (found.Dims is not { } dims)
            return;

        var place = $"model '{model}', tensor '{tensor.Name}'";
        if (tensor.IsBatched && (dims.Length == 0 || dims[0] != -1))
            errors.Add($"{place}: for the model to support batching the shape should have at least 1 dimension "
                + $"and the first dimension must be -1; but shape expected by the model is {Print(dims)}");
        else if (tensor.Full.Length != dims.Length)
            errors.Add($"{place}: the model expects {dims.Length} dimensions (shape {Print(dims)}) but the model "
                + $"configuration specifies {tensor.Full.Length} dimensions{BatchNote(tensor)} "
                + $"(shape {Print(tensor.Full)})");
        else if (!AreCompatible(tensor.Full, dims))
            errors.Add($"{place}: the model expects shape {Print(dims)} "
                + $"but the model configuration specifies shape {Print(tensor.Full)}");
    }

    private static string BatchNote(ConfiguredShape tensor) =>
        tensor.IsBatched
            ? ", an initial batch dimension because max_batch_size > 0 followed by the explicit tensor shape,"
            : "";

    private static bool AreCompatible(long[] configured, long[] graph) =>
        configured.Zip(graph).All(pair => pair.First == -1 || pair.Second == -1 || pair.First == pair.Second);

    private static string Print(long[] dims) => $"[{string.Join(',', dims)}]";

    private readonly record struct ConfiguredShape(string Name, DataType DataType, IList<long> Dims, bool IsBatched)
    {
        public long[] Full => IsBatched ? [-1, .. Dims] : [.. Dims];
    }
}
