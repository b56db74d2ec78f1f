using System.Text.Json;
using Sluice.Backends.Python.Wire;
using Sluice.Backends.Python.Workers;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.Python.Models;

/// <summary>Writes the frames of executions.</summary>
/// <remarks><b>Threads.</b> One at a time.</remarks>
internal sealed unsafe class RequestFrames(ModelSettings settings)
{
    private const int Alignment = 64;
    private const int InlineAlignment = 16;

    private readonly FrameWriter _writer = new();
    private readonly List<(int PatchAt, int Request, int Input, ulong Offset)> _data = [];

    /// <summary>Writes an execution of a group.</summary>
    /// <param name="number">Its number.</param>
    /// <param name="group">The requests.</param>
    /// <param name="slots">Their cancellation bytes.</param>
    /// <param name="worker">Who runs it.</param>
    /// <param name="block">The block that holds the inputs; -1 when they stand in the frame.</param>
    /// <returns>The frame, lent until the next one.</returns>
    public ReadOnlySpan<byte> Write(uint number, IRequestGroup group, ReadOnlySpan<int> slots, WorkerConnection worker, out long block)
    {
        long total = 0, padded = 0;
        for (var i = 0; i < group.Count; i++)
        {
            foreach (ref var input in group[i].Inputs)
            {
                total += input.Data.Length;
                padded += Padded(input.Data.Length);
            }
        }

        block = total > Frames.InlineLimit ? worker.Heap.Allocate(padded, settings.Name) : -1;
        try
        {
            Begin(number, group.Count, block, padded);
            var next = (ulong)Math.Max(0, block);
            for (var i = 0; i < group.Count; i++)
                WriteRequest(group, i, slots[i], block >= 0, ref next);
            Place(group, worker, block >= 0);
            return _writer.End();
        }
        catch
        {
            if (block >= 0)
                worker.Heap.Release(block);
            throw;
        }
    }

    /// <summary>Writes an execution of requests whose inputs have been gathered.</summary>
    /// <param name="execution">With its number, its requests and who runs it.</param>
    /// <param name="block">The block that holds the inputs; -1 when they stand in the frame.</param>
    /// <returns>The frame, lent until the next one.</returns>
    public ReadOnlySpan<byte> Write(PythonStreamExecution execution, out long block)
    {
        long total = 0, padded = 0;
        foreach (var stream in execution.Streams)
        {
            foreach (ref var input in stream.Responses.Inputs.Inputs)
            {
                total += input.ByteLength;
                padded += Padded(input.ByteLength);
            }
        }

        var heap = execution.Worker.Heap;
        block = total > Frames.InlineLimit ? heap.Allocate(padded, settings.Name) : -1;
        try
        {
            Begin(execution.Number, execution.Streams.Length, block, padded);
            var next = (ulong)Math.Max(0, block);
            for (var i = 0; i < execution.Streams.Length; i++)
                WriteRequest(execution.Streams[i], i, block >= 0, ref next);
            foreach (var (patchAt, position, i, offset) in _data)
            {
                ref var input = ref execution.Streams[position].Responses.Inputs.Inputs[i];
                var data = new ReadOnlySpan<byte>(input.Data, input.ByteLength);
                data.CopyTo(block >= 0 ? new Span<byte>(heap.Region.At((long)offset), data.Length) : Room(patchAt, data.Length));
            }

            return _writer.End();
        }
        catch
        {
            if (block >= 0)
                heap.Release(block);
            throw;
        }
    }

    private static long Padded(long length) => (length + Alignment - 1) & -Alignment;

    private static int CountPresent(ExecutionBatch inputs)
    {
        var count = 0;
        foreach (ref var input in inputs.Inputs)
            count += input.IsPresent ? 1 : 0;
        return count;
    }

    private void Begin(uint number, int count, long block, long blockBytes)
    {
        _data.Clear();
        _writer.Begin(Frames.Execution);
        _writer.U32(number);
        _writer.U32((uint)count);
        _writer.U64(block >= 0 ? (ulong)block : Frames.NoBlock);
        _writer.U64((ulong)blockBytes);
    }

    private void WriteRequest(IRequestGroup group, int position, int slot, bool isShared, ref ulong next)
    {
        var request = group[position];
        WriteHead(request, slot, request.InputCount, out var parameters);
        for (var i = 0; i < request.InputCount; i++)
        {
            ref var input = ref request.Inputs[i];
            _data.Add((_writer.Length + 8, position, i, next));
            _writer.Tensor(
                input.DataType, group.InputShape(position, in input), isShared ? Frames.Ours : Frames.Inline, input.Index, next,
                input.Data.Length);
            next += (ulong)Padded(input.Data.Length);
        }

        WriteTail(request, parameters);
    }

    private void WriteRequest(PythonStream stream, int position, bool isShared, ref ulong next)
    {
        var (request, inputs) = (stream.Responses.Request, stream.Responses.Inputs);
        WriteHead(request, stream.Slot, CountPresent(inputs), out var parameters);
        for (var i = 0; i < inputs.Inputs.Length; i++)
        {
            ref var input = ref inputs.Inputs[i];
            if (!input.IsPresent)
                continue;
            _data.Add((_writer.Length + 8, position, i, next));
            _writer.Tensor(
                input.DataType, in input.Shape, isShared ? Frames.Ours : Frames.Inline, i, next, input.ByteLength);
            next += (ulong)Padded(input.ByteLength);
        }

        WriteTail(request, parameters);
    }

    private void WriteHead(InferRequest request, int slot, int inputCount, out byte[] parameters)
    {
        parameters = request.ParameterCount == 0 ? [] : ParametersOf(request);
        _writer.U64(request.SequenceId);
        _writer.U64((ulong)request.TimeoutMicroseconds);
        _writer.U32((request.IsSequenceStart ? 1u : 0) | (request.IsSequenceEnd ? 2u : 0));
        _writer.U32((uint)slot);
        _writer.U32((uint)parameters.Length);
        _writer.U16(request.Id.Length);
        _writer.U16(request.SequenceName.Length);
        _writer.U16(inputCount);
        _writer.Pad(2);
    }

    private void WriteTail(InferRequest request, byte[] parameters)
    {
        _writer.U32((uint)request.RequestedOutputCount);
        foreach (ref var output in request.RequestedOutputs)
            _writer.U32((uint)output.Index);
        _writer.Bytes(request.Text(request.Id));
        _writer.Bytes(request.Text(request.SequenceName));
        _writer.Bytes(parameters);
    }

    private void Place(IRequestGroup group, WorkerConnection worker, bool isShared)
    {
        foreach (var (patchAt, position, i, offset) in _data)
        {
            ref var input = ref group[position].Inputs[i];
            var length = (int)input.Data.Length;
            group.CopyInput(
                position, in input,
                isShared ? new Span<byte>(worker.Heap.Region.At((long)offset), length) : Room(patchAt, length));
        }
    }

    /// <summary>Room for data in the frame, aligned for numpy.</summary>
    private Span<byte> Room(int patchAt, int length)
    {
        _writer.Pad(-_writer.Length & (InlineAlignment - 1));
        BitConverter.TryWriteBytes(_writer.At(patchAt, sizeof(ulong)), (ulong)_writer.Length);
        return _writer.Take(length);
    }

    private static byte[] ParametersOf(InferRequest request)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            foreach (ref var parameter in request.Parameters)
            {
                json.WritePropertyName(request.Text(parameter.Key));
                switch (parameter.Kind)
                {
                    case ParameterKind.Bool:
                        json.WriteBooleanValue(parameter.Bits != 0);
                        break;
                    case ParameterKind.Int64:
                        json.WriteNumberValue(parameter.Bits);
                        break;
                    case ParameterKind.UInt64:
                        json.WriteNumberValue((ulong)parameter.Bits);
                        break;
                    case ParameterKind.Double:
                        WriteDouble(json, BitConverter.Int64BitsToDouble(parameter.Bits));
                        break;
                    default:
                        json.WriteStringValue(request.Text(parameter.Text));
                        break;
                }
            }

            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    /// <summary>A float stays one in Python: <c>2.0</c>, and the bare words that its reader takes for what JSON has no number for.</summary>
    private static void WriteDouble(Utf8JsonWriter json, double value)
    {
        Span<byte> text = stackalloc byte[RealText.MaxLength];
        if (double.IsFinite(value))
            json.WriteRawValue(text[..RealText.Format(value, text)]);
        else
            json.WriteRawValue(double.IsNaN(value) ? "NaN"u8 : value > 0 ? "Infinity"u8 : "-Infinity"u8, skipInputValidation: true);
    }
}
