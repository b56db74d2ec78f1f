using System.Buffers;
using System.Buffers.Binary;
using Sluice.Inference;

namespace Sluice.Scheduling.Cache;

/// <summary>What two requests must have in common to have one answer: model, inputs, parameters and wanted outputs.</summary>
/// <remarks>
/// <para>The head holds everything but the tensors' bytes: the loaded model's number, index, type and shape of each input, every
/// parameter, and which outputs are wanted. The bytes follow in the order of the model's inputs.</para>
/// <para><b>Threads.</b> Each thread has one head, so a key is used up before its thread does anything else.</para>
/// </remarks>
internal readonly ref struct CacheKey
{
    [ThreadStatic]
    private static ArrayBufferWriter<byte>? _head;

    private readonly InferRequest _request;

    /// <param name="request">Bound to its model; nothing of it in shared memory.</param>
    /// <param name="model">Number of the loaded model, another one after each load.</param>
    public CacheKey(InferRequest request, long model)
    {
        _request = request;
        var head = _head ??= new ArrayBufferWriter<byte>(1024);
        head.ResetWrittenCount();
        Write(head, model);
        WriteInputs(head, request);
        WriteParameters(head, request);
        Write(head, request.RequestedOutputCount);
        for (var i = 0; i < request.Settings!.Outputs.Length && request.RequestedOutputCount > 0; i++)
            Write(head, IsWanted(request, i) ? 1 : 0);
        Head = head.WrittenSpan;
        ByteLength = Head.Length;
        var hash = CacheHash.Create();
        hash.Add(Head);
        foreach (var position in request.InputByIndex)
        {
            if (position < 0)
                continue;
            ref var input = ref request.Inputs[position];
            ByteLength += input.Data.Length;
            foreach (var piece in input.Data)
                hash.Add(piece.Span);
        }

        Hash = hash.Finish();
    }

    /// <summary>Finds candidates.</summary>
    public UInt128 Hash { get; }

    /// <summary>Bytes of head and tensors together.</summary>
    public long ByteLength { get; }

    private ReadOnlySpan<byte> Head { get; }

    /// <summary>Writes everything that counts.</summary>
    /// <param name="target">Has <see cref="ByteLength"/> bytes.</param>
    public void CopyTo(Span<byte> target)
    {
        Head.CopyTo(target);
        target = target[Head.Length..];
        foreach (var position in _request.InputByIndex)
        {
            if (position < 0)
                continue;
            var data = _request.Inputs[position].Data;
            data.CopyTo(target);
            target = target[(int)data.Length..];
        }
    }

    /// <summary>Compares with what <see cref="CopyTo"/> wrote for another request.</summary>
    public bool IsSame(ReadOnlySpan<byte> other)
    {
        if (other.Length != ByteLength || !other[..Head.Length].SequenceEqual(Head))
            return false;
        other = other[Head.Length..];
        foreach (var position in _request.InputByIndex)
        {
            if (position < 0)
                continue;
            foreach (var piece in _request.Inputs[position].Data)
            {
                if (!other[..piece.Length].SequenceEqual(piece.Span))
                    return false;
                other = other[piece.Length..];
            }
        }

        return true;
    }

    private static void WriteInputs(ArrayBufferWriter<byte> head, InferRequest request)
    {
        foreach (var position in request.InputByIndex)
        {
            Write(head, position < 0 ? 0 : 1);
            if (position < 0)
                continue;
            ref var input = ref request.Inputs[position];
            Write(head, (long)input.DataType);
            Write(head, input.Data.Length);
            Write(head, input.Shape.Rank);
            foreach (var dimension in input.Shape.Dimensions)
                Write(head, dimension);
        }
    }

    private static void WriteParameters(ArrayBufferWriter<byte> head, InferRequest request)
    {
        Write(head, request.ParameterCount);
        foreach (ref var parameter in request.Parameters)
        {
            Write(head, request.Text(parameter.Key));
            Write(head, (long)parameter.Kind);
            Write(head, parameter.Bits);
            Write(head, request.Text(parameter.Text));
        }
    }

    private static bool IsWanted(InferRequest request, int output)
    {
        foreach (ref var requested in request.RequestedOutputs)
        {
            if (requested.Index == output)
                return true;
        }

        return false;
    }

    private static void Write(ArrayBufferWriter<byte> head, ReadOnlySpan<byte> bytes)
    {
        Write(head, bytes.Length);
        head.Write(bytes);
    }

    private static void Write(ArrayBufferWriter<byte> head, long number)
    {
        BinaryPrimitives.WriteInt64LittleEndian(head.GetSpan(sizeof(long)), number);
        head.Advance(sizeof(long));
    }
}
