using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Hands each request its rows of the batch's outputs, as slices of the same buffers.</summary>
internal static class BatchSplitter
{
    /// <summary>Stores the outputs in the requests; each then holds a reference to the batch.</summary>
    /// <exception cref="InferenceException">The engine's outputs do not have the rows that went in.</exception>
    public static void Split(ExecutionBatch batch, ReadOnlySpan<InferRequest> requests)
    {
        var settings = batch.Settings;
        for (var i = 0; i < settings.ClientOutputCount; i++)
        {
            if (!batch.IsRequested(i))
                continue;
            var buffer = batch.GetOutput(i, out var shape) ?? throw new InferenceException(
                InferenceCode.Internal, $"model '{settings.Name}' did not produce output '{settings.Outputs[i].Name}'");
            var walk = new RowWalk(batch, i, buffer, in shape, requests.Length == 1);
            foreach (var request in requests)
            {
                walk.Next(request, out var rows, out var offset, out var length);
                Give(request, batch, i, buffer, ClientShape(in rows, settings, i), offset, length);
            }
        }

        foreach (var request in requests)
            request.HoldBatch(batch);
    }

    private static void Give(
        InferRequest request, ExecutionBatch batch, int index, TensorBuffer buffer, in Shape shape, int offset, int length)
    {
        if (!Wants(request, index))
            return;
        ref var output = ref request.AddOutput();
        output.Index = index;
        output.DataType = batch.OutputType(index);
        output.Shape = shape;
        output.Buffer = buffer;
        output.Offset = offset;
        output.Length = length;
    }

    private static bool Wants(InferRequest request, int index)
    {
        if (request.RequestedOutputCount == 0)
            return true;
        foreach (ref var output in request.RequestedOutputs)
        {
            if (output.Index == index)
                return true;
        }

        return false;
    }

    /// <summary>The shape that the client sees: the configured dimensions where the operator asked for a reshape.</summary>
    private static Shape ClientShape(in Shape shape, ModelSettings settings, int index)
    {
        var output = settings.Outputs[index];
        if (output.Reshape is not { } reshape || output.IsReshapeImplied)
            return shape;
        var isBatching = settings.MaxBatchSize > 0;
        var inner = Reshaping.Apply(shape.Dimensions[(isBatching ? 1 : 0)..], reshape, output.Dims);
        return isBatching ? inner.Prepend(shape[0]) : inner;
    }
}
