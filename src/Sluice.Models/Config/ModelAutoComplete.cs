using Google.Protobuf.Collections;
using Sluice.Inference;
using Sluice.Protocol.Inference;

namespace Sluice.Models;

/// <summary>Completes a configuration from what the model file says (spec §3.3, step 2).</summary>
internal static class ModelAutoComplete
{
    /// <summary>Fills inputs, outputs, batch size and scheduler where the configuration is silent.</summary>
    /// <param name="config">Changed in place.</param>
    /// <param name="graph">What the engine read.</param>
    /// <param name="defaultMaxBatchSize">Batch size for models that can batch and name none.</param>
    /// <exception cref="InferenceException">The configuration asks for batches that the graph cannot take.</exception>
    public static void Complete(ModelConfig config, ModelDescription graph, int defaultMaxBatchSize)
    {
        if (config.Input.Count == 0 || config.Output.Count == 0 || LeavesBatchOut(config, graph))
            CompleteBatching(config, graph, defaultMaxBatchSize);

        var batched = config.MaxBatchSize > 0;
        if (config.Input.Count == 0)
        {
            var hidden = SequenceConfigValidator.HiddenInputs(config).ToArray();
            foreach (var tensor in graph.Inputs.Where(tensor => !hidden.Contains(tensor.Name)))
                config.Input.Add(new ModelInput { Name = tensor.Name, Optional = tensor.IsOptional });
        }

        if (config.Output.Count == 0)
        {
            foreach (var tensor in graph.Outputs.Where(tensor => (config.SequenceBatching?.State ?? []).All(state => state.OutputName != tensor.Name)))
                config.Output.Add(new ModelOutput { Name = tensor.Name });
        }

        foreach (var input in config.Input)
            FillInput(input, graph, batched);
        foreach (var output in config.Output)
            FillOutput(output, graph, batched);
    }

    private static void CompleteBatching(ModelConfig config, ModelDescription graph, int defaultMaxBatchSize)
    {
        var tensors = graph.Inputs.Concat(graph.Outputs).ToArray();
        if (config.MaxBatchSize > 0 && tensors.Any(t => t.Dims is { } dims && !HasFreeFirst(dims)))
            throw InferenceException.Invalid(
                $"autofill failed for model '{config.Name}': model does not support batching while non-zero "
                + "max_batch_size is specified");

        // A tensor without any shape may turn out to have no rows, so it only batches when the operator says so.
        var batchable = tensors.Length > 0 && tensors.All(t => t.Dims is { } dims && HasFreeFirst(dims));
        if (!batchable || config.MaxBatchSize != 0 || StatesFullShapes(config, graph))
            return;

        config.MaxBatchSize = defaultMaxBatchSize;
        if (defaultMaxBatchSize > 1 && config.SchedulingChoiceCase == ModelConfig.SchedulingChoiceOneofCase.None)
            config.DynamicBatching = new ModelDynamicBatching();
    }

    // Whoever wrote all dims but the free first one has left the batch dimension out: as the configuration of batches has it.
    private static bool LeavesBatchOut(ModelConfig config, ModelDescription graph) =>
        config.MaxBatchSize == 0 && config.Input.All(i => IsRestOf(i.Dims, graph.Inputs.Find(i.Name)))
        && config.Output.All(o => IsRestOf(o.Dims, graph.Outputs.Find(o.Name)));

    private static bool IsRestOf(RepeatedField<long> dims, TensorDescription? tensor) =>
        dims.Count > 0 && tensor?.Dims is { } full && HasFreeFirst(full) && dims.Count == full.Length - 1;

    private static bool HasFreeFirst(long[] dims) => dims.Length > 0 && dims[0] == -1;

    // Whoever wrote dims as long as the graph's has counted the batch dimension in: the model is not to batch.
    private static bool StatesFullShapes(ModelConfig config, ModelDescription graph) =>
        config.Input.Any(i => i.Dims.Count > 0 && i.Dims.Count == graph.Inputs.Find(i.Name)?.Dims?.Length)
        || config.Output.Any(o => o.Dims.Count > 0 && o.Dims.Count == graph.Outputs.Find(o.Name)?.Dims?.Length);

    private static void FillInput(ModelInput input, ModelDescription graph, bool batched)
    {
        if (graph.Inputs.Find(input.Name) is not { } tensor)
            return;

        if (input.DataType == DataType.TypeInvalid)
            input.DataType = (DataType)tensor.DataType;
        if (input.Dims.Count == 0 && FillDims(input.Dims, tensor, batched && !input.IsShapeTensor))
            input.Reshape = new ModelTensorReshape();
    }

    private static void FillOutput(ModelOutput output, ModelDescription graph, bool batched)
    {
        if (graph.Outputs.Find(output.Name) is not { } tensor)
            return;

        if (output.DataType == DataType.TypeInvalid)
            output.DataType = (DataType)tensor.DataType;
        if (output.Dims.Count == 0 && FillDims(output.Dims, tensor, batched && !output.IsShapeTensor))
            output.Reshape = new ModelTensorReshape();
    }

    /// <returns>True for a scalar, which a configuration writes as <c>[1]</c> reshaped to <c>[]</c>.</returns>
    private static bool FillDims(RepeatedField<long> dims, TensorDescription tensor, bool batched)
    {
        if (tensor.Dims is null)
        {
            dims.Add(-1);
            return false;
        }

        dims.AddRange(tensor.Dims.Skip(batched ? 1 : 0));
        if (dims.Count > 0)
            return false;

        dims.Add(1);
        return true;
    }
}
