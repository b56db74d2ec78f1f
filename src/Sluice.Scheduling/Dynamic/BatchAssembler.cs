using System.Buffers;
using Sluice.Inference;
using Sluice.Tensors;
using Sluice.Tensors.SharedMemory;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Puts the inputs of a batch's requests where the model reads them.</summary>
/// <remarks>
/// This is the one copy of a tensor on its way from the socket. A single request whose tensor already lies aligned in
/// native memory or in a client's shared memory is not copied at all.
/// </remarks>
internal static unsafe class BatchAssembler
{
    // Below this a copy costs less than a misaligned read or a missed cache of engine values.
    private const int SmallestInPlace = 4096;

    public static void Assemble(ExecutionBatch batch, ReadOnlySpan<InferRequest> requests)
    {
        var settings = batch.Settings;
        for (var i = 0; i < requests[0].InputByIndex.Length; i++)
        {
            var position = requests[0].InputByIndex[i];
            if (position < 0)
                continue;
            ref var first = ref requests[0].Inputs[position];
            ref var input = ref batch.Inputs[i];
            input.IsPresent = true;
            input.DataType = first.DataType;
            input.Shape = EngineShape(in first, settings.Inputs[i], settings.MaxBatchSize > 0, batch.RowCount);
            Place(batch, requests, i, ref input);
            if (settings.Inputs[i].AllowRaggedBatch && settings.MaxBatchSize > 0)
                input.Shape = Shape.Create([CountElements(requests, i)]);
        }

        if (!settings.BatchTensors.IsEmpty)
            BatchTensors.Add(batch, requests);

        foreach (var request in requests)
            RequestOutputs(batch, request);
        if (requests.Length == 1 && requests[0].NeedsPlacement)
            PlaceOutputs(batch, requests[0]);
    }

    private static long CountElements(ReadOnlySpan<InferRequest> requests, int index)
    {
        long total = 0;
        foreach (var request in requests)
        {
            request.Inputs[request.InputByIndex[index]].Shape.TryGetElementCount(out var count);
            total += count;
        }

        return total;
    }

    /// <summary>Lets the model write outputs straight into the client's memory, where nobody can be hurt by it.</summary>
    private static void PlaceOutputs(ExecutionBatch batch, InferRequest request)
    {
        foreach (ref var output in request.RequestedOutputs)
        {
            if (output.Shared == 0 || !TensorPlacement.MayStayInRegion(batch.Settings.Outputs[output.Index].DataType))
                continue;
            ref var place = ref request.Placement.Tensors[output.Shared - 1];
            if (place.Held is null)
                continue;
            var pointer = place.Held.PointerAt((ulong)place.Offset);
            if (IsAligned(pointer) && IsWhole(ref place))
                batch.PlaceOutput(output.Index, pointer, (int)place.ByteSize);
        }
    }

    private static void Place(ExecutionBatch batch, ReadOnlySpan<InferRequest> requests, int index, ref BatchInput input)
    {
        long byteLength = 0;
        foreach (var request in requests)
            byteLength += request.Inputs[request.InputByIndex[index]].Data.Length;
        if (byteLength > int.MaxValue)
            throw new InferenceException(
                InferenceCode.ResourceExhausted,
                $"input '{batch.Settings.Inputs[index].Name}' of a batch for model '{batch.Settings.Name}' has {byteLength} " +
                $"bytes, more than {int.MaxValue}");
        input.ByteLength = (int)byteLength;
        if (requests.Length == 1 && TryUseInPlace(requests[0], in requests[0].Inputs[requests[0].InputByIndex[index]], out input.Data))
            return;
        var destination = batch.InputBuffer(index, (int)byteLength);
        input.Data = destination;
        foreach (var request in requests)
        {
            ref var source = ref request.Inputs[request.InputByIndex[index]];
            var target = new Span<byte>(destination, checked((int)source.Data.Length));
            Copy(request, in source, target);
            destination += target.Length;
        }
    }

    /// <summary>Copies an input's data, from a client's shared memory too.</summary>
    public static void Copy(InferRequest request, in InputTensor source, Span<byte> target)
    {
        if (source.Shared != 0 && source.Owned is null)
            CopyShared(request, source.Shared, target);
        else
            source.Data.CopyTo(target);
    }

    private static void CopyShared(InferRequest request, int number, Span<byte> target)
    {
        ref var place = ref request.Placement.Tensors[number - 1];
        try
        {
            place.Held!.Read((ulong)place.Offset, target);
        }
        catch (SharedMemoryException error)
        {
            throw error.ToInferenceException();
        }
    }

    private static bool TryUseInPlace(InferRequest request, in InputTensor input, out byte* pointer)
    {
        pointer = null;
        if (input.Data.Length < SmallestInPlace || !input.Data.IsSingleSegment)
            return false;
        if (TensorBuffer.TryGet(input.Data.First, out var buffer, out var offset))
            pointer = buffer.Pointer + offset;
        else if (!TensorPlacement.MayStayInRegion(input.DataType) || !SharedMemoryWindow.TryGet(input.Data.First, out pointer))
            return false;
        return IsAligned(pointer) && (input.Shared == 0 || IsWhole(ref request.Placement.Tensors[input.Shared - 1]));
    }

    /// <summary>Looks once more, as late as can be, whether the memory is still there; copying finds out by itself.</summary>
    private static bool IsWhole(ref SharedTensor place) => place.Held!.IsWhole;

    private static bool IsAligned(byte* pointer) => ((nuint)pointer & (TensorBufferPool.Alignment - 1)) == 0;

    /// <summary>The shape that the engine sees: all rows of the batch, and the configured reshape.</summary>
    public static Shape EngineShape(in InputTensor input, TensorSettings settings, bool isBatching, int rows)
    {
        if (settings.Reshape is { } reshape)
        {
            var inner = Reshaping.Apply(input.Shape.Dimensions[(isBatching ? 1 : 0)..], settings.Dims, reshape);
            return isBatching ? inner.Prepend(rows) : inner;
        }

        return isBatching && !settings.IsShapeTensor ? input.Shape.WithDimension(0, rows) : input.Shape;
    }

    /// <summary>Says which outputs a request wants, and which the server wants for its next step.</summary>
    public static void RequestOutputs(ExecutionBatch batch, InferRequest request)
    {
        foreach (var index in batch.Settings.StateOutputs)
            batch.Request(index);
        if (request.RequestedOutputCount == 0)
        {
            for (var i = 0; i < batch.Settings.ClientOutputCount; i++)
                batch.Request(i);
            return;
        }

        foreach (ref var output in request.RequestedOutputs)
            batch.Request(output.Index);
    }
}
