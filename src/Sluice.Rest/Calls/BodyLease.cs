using System.Buffers;
using System.IO.Pipelines;
using Sluice.Tensors;

namespace Sluice.Rest.Calls;

/// <summary>A whole request body: borrowed from the transport's buffer while it is small, owned when it was landed.</summary>
/// <remarks><b>Ownership.</b> Dispose once, after the last use of <see cref="Bytes"/>.</remarks>
internal struct BodyLease : IDisposable
{
    private PipeReader? _body;
    private TensorBuffer? _buffer;

    public BodyLease(in ReadOnlySequence<byte> bytes, PipeReader body)
    {
        Bytes = bytes;
        _body = body;
    }

    public BodyLease(TensorBuffer buffer, int start, int length)
    {
        Bytes = new ReadOnlySequence<byte>(buffer.Memory.Slice(start, length));
        _buffer = buffer;
    }

    /// <summary>The body, decompressed.</summary>
    public ReadOnlySequence<byte> Bytes { get; }

    public void Dispose()
    {
        _buffer?.Dispose();
        _buffer = null;
        _body?.AdvanceTo(Bytes.End);
        _body = null;
    }
}
