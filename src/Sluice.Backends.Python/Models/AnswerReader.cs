using System.Buffers.Binary;
using System.Text.Json;
using Sluice.Backends.Python.Wire;
using Sluice.Backends.Python.Workers;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.Python.Models;

/// <summary>Where answers go that a worker sends.</summary>
internal interface IAnswerTarget
{
    /// <summary>Begins the response of a request.</summary>
    ExecutionBatch Rent(int position);

    /// <summary>Takes a response.</summary>
    void Answer(int position, ExecutionBatch response);

    /// <summary>Takes the news that the request is to come again.</summary>
    void Reschedule(int position);

    /// <summary>Takes a failure.</summary>
    void Fail(int position, InferenceCode code, string message);
}

/// <summary>Reads answers from frames, tensors included.</summary>
internal static unsafe class AnswerReader
{
    // Smaller ones are copied, so that their memory is free for the worker at once.
    private const int SmallestLent = 64 * 1024;

    private static readonly InferenceCode[] Codes =
    [
        InferenceCode.Unknown, InferenceCode.Internal, InferenceCode.NotFound, InferenceCode.InvalidArgument,
        InferenceCode.Unavailable, InferenceCode.Unimplemented, InferenceCode.AlreadyExists, InferenceCode.Cancelled,
    ];

    /// <summary>The code of one of the Python interface's numbers.</summary>
    public static InferenceCode ToCode(int number) => (uint)number < (uint)Codes.Length ? Codes[number] : InferenceCode.Internal;

    /// <summary>The number of a code in the Python interface.</summary>
    public static byte ToNumber(InferenceCode code) => code switch
    {
        InferenceCode.DeadlineExceeded => 7,
        InferenceCode.ResourceExhausted => 4,
        _ => (byte)Math.Max(0, Array.IndexOf(Codes, code)),
    };

    /// <summary>Reads one answer.</summary>
    /// <param name="reader">Stands at the answer, and behind it afterwards.</param>
    /// <param name="worker">Who sent it.</param>
    /// <param name="block">The execution's input block; -1 = none.</param>
    /// <param name="target">Takes the answer, if there is one.</param>
    /// <param name="position">Which request.</param>
    /// <returns>False when there was none.</returns>
    public static bool Read(ref FrameReader reader, WorkerConnection worker, long block, IAnswerTarget target, int position)
    {
        var (status, code, count, textLength) = (reader.U8(), reader.U8(), reader.U16(), reader.U32());
        if (status == Frames.None)
            return false;
        if (status == Frames.Rescheduled)
        {
            target.Reschedule(position);
            return true;
        }

        if (status == Frames.Failed)
        {
            target.Fail(position, ToCode(code), reader.Text(textLength));
            return true;
        }

        var response = target.Rent(position);
        try
        {
            if (textLength > 0)
                AddParameters(response, reader.Text(textLength));
            for (var i = 0; i < count; i++)
            {
                var place = reader.Tensor();
                if (place.Index >= response.Settings.Outputs.Length)
                    throw new WireException($"output {place.Index} of {response.Settings.Outputs.Length}");
                var buffer = Take(ref reader, in place, worker, block, response.Pool);
                if (response.IsRequested((int)place.Index))
                    response.SetTypedOutput((int)place.Index, place.Type, place.Shape, buffer);
                else
                    buffer.Dispose();
            }
        }
        catch (Exception error)
        {
            response.Release();
            if (error is not TensorPoolExhaustedException)
                throw;
            target.Fail(position, InferenceCode.ResourceExhausted, error.Message);
            throw new WireException(error.Message);
        }

        target.Answer(position, response);
        return true;
    }

    /// <summary>Passes over one answer that nobody waits for, and gives its memory back.</summary>
    /// <param name="reader">Stands at the answer, and behind it afterwards.</param>
    /// <param name="worker">Who sent it.</param>
    /// <returns>False when there was none.</returns>
    public static bool Skip(ref FrameReader reader, WorkerConnection worker)
    {
        var (status, _, count, textLength) = (reader.U8(), reader.U8(), reader.U16(), reader.U32());
        if (status is Frames.None or Frames.Rescheduled)
            return status != Frames.None;
        reader.Skip((int)textLength);
        for (var i = 0; status != Frames.Failed && i < count; i++)
        {
            var place = reader.Tensor();
            if (place.Place == Frames.Theirs)
                Free(worker, place.Offset);
        }

        return true;
    }

    /// <summary>Takes a tensor's bytes: a copy of small ones and of texts, else the shared memory itself.</summary>
    public static TensorBuffer Take(
        ref FrameReader reader, in TensorPlace place, WorkerConnection worker, long block, TensorBufferPool pool)
    {
        switch (place.Place)
        {
            case Frames.Inline:
                return Copy(in place, reader.Data(place.Offset, (ulong)place.Length), pool);
            case Frames.Theirs when worker.Region.Holds(place.Offset, (ulong)place.Length):
                return TakeTheirs(in place, worker, pool);
            case Frames.Ours when block >= 0 && worker.Heap.Region.Holds(place.Offset, (ulong)place.Length):
                return TakeOurs(in place, worker, block, pool);
            default:
                throw new WireException($"a tensor of {place.Length} bytes at {place.Offset} of place {place.Place}");
        }
    }

    private static TensorBuffer TakeTheirs(in TensorPlace place, WorkerConnection worker, TensorBufferPool pool)
    {
        var offset = place.Offset;
        var start = worker.Region.At((long)offset);
        if (place.Length < SmallestLent || place.Type == DataType.Bytes)
        {
            var copy = Copy(in place, new ReadOnlySpan<byte>(start, place.Length), pool);
            Free(worker, offset);
            return copy;
        }

        worker.Region.AddReference();
        return TensorBuffer.Wrap(start, place.Length, () =>
        {
            Free(worker, offset);
            worker.Region.Release();
        });
    }

    private static TensorBuffer TakeOurs(in TensorPlace place, WorkerConnection worker, long block, TensorBufferPool pool)
    {
        var start = worker.Heap.Region.At((long)place.Offset);
        if (place.Type == DataType.Bytes)
            return Copy(in place, new ReadOnlySpan<byte>(start, place.Length), pool);
        if (worker.Heap.Hold((long)place.Offset, place.Length, block) < 0)
            throw new WireException("a tensor of another request's memory");
        worker.Heap.Region.AddReference();
        return TensorBuffer.Wrap(start, place.Length, () =>
        {
            worker.Heap.Release(block);
            worker.Heap.Region.Release();
        });
    }

    private static TensorBuffer Copy(in TensorPlace place, ReadOnlySpan<byte> data, TensorBufferPool pool)
    {
        var buffer = pool.Rent(place.Length);
        data.CopyTo(buffer.GetSpan());
        if (place.Type == DataType.Bytes && CountStrings(buffer.GetSpan()) != place.Count)
        {
            buffer.Dispose();
            throw new WireException($"strings that are not {place.Count}");
        }

        return buffer;
    }

    private static long CountStrings(ReadOnlySpan<byte> data)
    {
        long count = 0;
        for (; data.Length >= sizeof(int); count++)
        {
            var length = BinaryPrimitives.ReadUInt32LittleEndian(data);
            if (length > data.Length - sizeof(int))
                return -1;
            data = data[(sizeof(int) + (int)length)..];
        }

        return data.IsEmpty ? count : -1;
    }

    /// <summary>Tells a worker that a tensor of its memory is no longer looked at.</summary>
    public static void Free(WorkerConnection worker, ulong offset)
    {
        Span<byte> frame = stackalloc byte[Frames.HeadBytes + sizeof(ulong)];
        BinaryPrimitives.WriteInt32LittleEndian(frame, frame.Length);
        BinaryPrimitives.WriteInt32LittleEndian(frame[4..], Frames.Free);
        BinaryPrimitives.WriteUInt64LittleEndian(frame[8..], offset);
        worker.Main.Send(frame);
    }

    private static void AddParameters(ExecutionBatch response, string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            foreach (var property in document.RootElement.EnumerateObject())
            {
                switch (property.Value.ValueKind)
                {
                    case JsonValueKind.True or JsonValueKind.False:
                        response.AddParameter(ResponseParameter.Of(property.Name, property.Value.GetBoolean()));
                        break;
                    case JsonValueKind.Number when property.Value.TryGetInt64(out var number):
                        response.AddParameter(ResponseParameter.Of(property.Name, number));
                        break;
                    case JsonValueKind.Number:
                        response.AddParameter(ResponseParameter.Of(property.Name, property.Value.GetDouble()));
                        break;
                    default:
                        response.AddParameter(ResponseParameter.Of(property.Name, property.Value.ToString()));
                        break;
                }
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // Parameters that are no JSON object have no meaning for clients.
        }
    }
}
