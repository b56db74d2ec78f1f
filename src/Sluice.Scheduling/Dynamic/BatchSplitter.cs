using System.Buffers.Binary;
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
        for (var i = 0; i < settings.Outputs.Length; i++)
        {
            if (!batch.IsRequested(i))
                continue;
            var buffer = batch.GetOutput(i, out var shape) ?? throw new InferenceException(
                InferenceCode.Internal, $"model '{settings.Name}' did not produce output '{settings.Outputs[i].Name}'");
            if (requests.Length == 1)
                Give(requests[0], batch, i, buffer, ClientShape(in shape, settings, i), 0, buffer.Length);
            else
                SplitRows(batch, requests, i, buffer, in shape);
        }

        foreach (var request in requests)
            request.HoldBatch(batch);
    }

    private static void SplitRows(
        ExecutionBatch batch, ReadOnlySpan<InferRequest> requests, int index, TensorBuffer buffer, in Shape shape)
    {
        var settings = batch.Settings;
        if (shape.Rank == 0 || shape[0] != batch.RowCount)
            throw new InferenceException(
                InferenceCode.Internal,
                $"output '{settings.Outputs[index].Name}' of model '{settings.Name}' has shape {shape} for a batch of " +
                $"{batch.RowCount} rows");
        var dataType = settings.Outputs[index].DataType;
        var rowBytes = batch.RowCount == 0 ? 0 : buffer.Length / batch.RowCount;
        var elementsPerRow = dataType == DataType.Bytes && shape.WithDimension(0, 1).TryGetElementCount(out var n) ? n : 0;
        var offset = 0;
        foreach (var request in requests)
        {
            var length = dataType == DataType.Bytes
                ? MeasureStrings(buffer.GetSpan()[offset..], elementsPerRow * request.RowCount)
                : rowBytes * request.RowCount;
            var rows = shape.WithDimension(0, request.RowCount);
            Give(request, batch, index, buffer, ClientShape(in rows, settings, index), offset, length);
            offset += length;
        }
    }

    private static int MeasureStrings(ReadOnlySpan<byte> data, long count)
    {
        var length = 0;
        for (; count > 0; count--)
            length += sizeof(int) + BinaryPrimitives.ReadInt32LittleEndian(data[length..]);
        return length;
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
