using System.Buffers;
using Sluice.Tensors;
using Sluice.Tensors.SharedMemory;

namespace Sluice.Inference;

/// <summary>Brings tensors from and to shared memory, and outputs into the form of classes (spec §1.5).</summary>
/// <remarks>
/// <para>A region's bytes may change at any time. What is checked and then believed must therefore not lie there: strings are
/// copied before their lengths are checked, and types that engines use as indexes or conditions are copied before the run.
/// The other numbers are read and written in place; a client that changes them meanwhile gets an answer about neither state.
/// Copies go through the system's calls, so that an object made shorter meanwhile fails the request and not the server.</para>
/// <para><b>Threads.</b> Any number of requests at once.</para>
/// </remarks>
/// <param name="regions">What clients have registered; null = they may not use shared memory.</param>
/// <param name="pool">Memory for copies and for classes.</param>
public sealed unsafe class TensorPlacement(SharedMemoryRegistry? regions, TensorBufferPool pool)
{
    /// <summary>Why shared memory is refused when the operator has not allowed it.</summary>
    public const string Disabled =
        "client shared memory is disabled; start the server with --allow-client-shm=true to allow it";

    /// <summary>Tells whether an engine may look at a tensor that another process can change meanwhile.</summary>
    /// <remarks>An engine checks an index and then reads it again (ONNX Runtime's Gather does), so indexes must stand still.</remarks>
    public static bool MayStayInRegion(DataType type) => type is
        DataType.Fp16 or DataType.Fp32 or DataType.Fp64 or DataType.Bf16 or
        DataType.UInt8 or DataType.Int8 or DataType.UInt16 or DataType.Int16;

    /// <summary>Finds the memory of a request's tensors, before it is bound.</summary>
    /// <exception cref="InferenceException">A region or a place in it is not there, or shared memory is not allowed.</exception>
    public void Attach(InferRequest request)
    {
        if (request.Placement.Tensors.IsEmpty)
            return;
        if (regions is null)
            throw new InferenceException(InferenceCode.Unimplemented, Disabled);
        request.Placement.HoldRegions(regions);
        try
        {
            foreach (ref var input in request.Inputs)
            {
                if (input.Shared != 0)
                    AttachInput(request, ref input);
            }

            foreach (ref var output in request.RequestedOutputs)
            {
                if (output.Shared != 0 && output.ClassCount > 0)
                    throw InferenceException.Invalid("output can't set both 'shared_memory_region' and 'classification'");
                if (output.Shared != 0)
                    Hold(request, ref request.Placement.Tensor(ref output.Shared));
            }
        }
        catch (SharedMemoryException error)
        {
            throw error.ToInferenceException();
        }
    }

    /// <summary>Checks a bound request's wishes for classes.</summary>
    /// <exception cref="InferenceException">The output's type has no order of classes.</exception>
    public static void Check(InferRequest request)
    {
        foreach (ref var output in request.RequestedOutputs)
        {
            if (output.ClassCount > 0)
                ClassRanking.CheckType(request.Settings!.Outputs[output.Index].DataType);
        }
    }

    /// <summary>Puts the outputs of the only response where they were wanted, and gives the regions back.</summary>
    /// <remarks>A failure is recorded in the request.</remarks>
    public void Finish(InferRequest request)
    {
        Place(request);
        request.Placement.ReleaseRegions();
    }

    /// <summary>Puts the outputs of one response of a request where they were wanted.</summary>
    /// <remarks>A failure is recorded in the request.</remarks>
    public void Place(InferRequest request)
    {
        try
        {
            for (var i = 0; request.IsOk && i < request.OutputCount; i++)
                FinishOutput(request, ref request.OutputAt(i));
        }
        catch (InferenceException error)
        {
            request.Fail(error.Code, error.Message);
        }
        catch (SharedMemoryException error)
        {
            var known = error.ToInferenceException();
            request.Fail(known.Code, known.Message);
        }
        catch (TensorPoolExhaustedException error)
        {
            request.Fail(InferenceCode.ResourceExhausted, error.Message);
        }
    }

    /// <summary>Copies the beginning of a bound request's input, wherever it lies; while regions are held.</summary>
    /// <returns>At most <paramref name="mostBytes"/>; nothing when its region has become shorter.</returns>
    public static byte[] CopyStart(InferRequest request, in InputTensor input, int mostBytes)
    {
        var copy = new byte[Math.Min(input.Data.Length, mostBytes)];
        if (input.Shared != 0 && input.Owned is null)
            return TryRead(ref request.Placement.Tensors[input.Shared - 1], copy) ? copy : [];
        input.Data.Slice(0, copy.Length).CopyTo(copy);
        return copy;
    }

    /// <summary>Copies the beginning of an output that was not placed yet; see the other overload.</summary>
    public static byte[] CopyStart(InferRequest request, in OutputTensor output, int mostBytes)
    {
        var copy = new byte[Math.Min(output.Length, mostBytes)];
        foreach (ref var wanted in request.RequestedOutputs)
        {
            if (wanted.Index != output.Index || wanted.Shared == 0)
                continue;
            ref var place = ref request.Placement.Tensors[wanted.Shared - 1];
            if (output.Buffer.Pointer + output.Offset == place.Held!.PointerAt((ulong)place.Offset))
                return TryRead(ref place, copy) ? copy : [];
        }

        output.Data[..copy.Length].CopyTo(copy);
        return copy;
    }

    private static bool TryRead(ref SharedTensor place, Span<byte> target)
    {
        try
        {
            place.Held!.Read((ulong)place.Offset, target);
            return true;
        }
        catch (SharedMemoryException)
        {
            return false;
        }
    }

    private static void FinishShared(InferRequest request, ref OutputTensor output, int number)
    {
        ref var place = ref request.Placement.Tensor(ref number);
        if (output.Length > place.ByteSize)
            throw new InferenceException(
                InferenceCode.Internal,
                $"shared memory size specified with the request for output '{request.Settings!.Outputs[output.Index].Name}' " +
                $"({place.ByteSize} bytes) should be at least {output.Length} bytes to hold the results");
        var target = place.Held!.PointerAt((ulong)place.Offset);
        if (output.Length > 0 && output.Buffer.Pointer + output.Offset != target)
            place.Held.Write((ulong)place.Offset, output.Data);
        place.WrittenLength = output.Length;
        output.Length = 0;
        output.Shared = number;
    }

    private void FinishOutput(InferRequest request, ref OutputTensor output)
    {
        foreach (ref var wanted in request.RequestedOutputs)
        {
            if (wanted.Index != output.Index)
                continue;
            if (wanted.Shared != 0)
                FinishShared(request, ref output, wanted.Shared);
            else if (wanted.ClassCount > 0)
                ClassRanking.Apply(request, ref output, wanted.ClassCount, pool);
            return;
        }
    }

    private void AttachInput(InferRequest request, ref InputTensor input)
    {
        ref var place = ref request.Placement.Tensor(ref input.Shared);
        Hold(request, ref place);
        var length = (int)place.ByteSize;
        input.HasData = true;
        if (input.DataType != DataType.Bytes)
        {
            input.Data = new ReadOnlySequence<byte>(place.Held!.Slice((ulong)place.Offset, length));
            return;
        }

        if (!pool.TryRent(length, out var copy))
            throw new InferenceException(
                InferenceCode.ResourceExhausted,
                $"input '{request.TextString(input.Name)}' of {length} bytes does not fit the server's tensor memory now");
        input.Owned = copy;
        place.Held!.Read((ulong)place.Offset, copy.GetSpan());
        input.Data = new ReadOnlySequence<byte>(copy.Memory);
    }

    private void Hold(InferRequest request, ref SharedTensor place)
    {
        place.Held = regions!.Acquire(request.Text(place.Region));
        place.Held.Check((ulong)place.Offset, (ulong)place.ByteSize);
    }
}
