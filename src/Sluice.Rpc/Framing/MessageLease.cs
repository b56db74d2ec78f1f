using System.Buffers;
using System.IO.Pipelines;
using Sluice.Tensors;

namespace Sluice.Rpc.Framing;

/// <summary>A received message: borrowed from the transport's buffer while it is small, owned when it was landed.</summary>
/// <remarks><b>Ownership.</b> Dispose once, after the last use of <see cref="Payload"/>; only then is the stream read on.</remarks>
public struct MessageLease : IDisposable
{
    private readonly PipeReader? _body;
    private readonly SequencePosition _end;
    private TensorBuffer? _buffer;

    internal MessageLease(in ReadOnlySequence<byte> payload, PipeReader body)
    {
        Payload = payload;
        _body = body;
        _end = payload.End;
    }

    internal MessageLease(TensorBuffer buffer, int start, int length)
    {
        Payload = new ReadOnlySequence<byte>(buffer.Memory.Slice(start, length));
        _buffer = buffer;
    }

    /// <summary>The message without its frame, decompressed.</summary>
    public ReadOnlySequence<byte> Payload { get; }

    /// <summary>Returns the memory to where it came from.</summary>
    public void Dispose()
    {
        if (_buffer is not null)
            _buffer.Dispose();
        else
            _body?.AdvanceTo(_end);
        _buffer = null;
    }
}
