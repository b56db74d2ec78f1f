using System.Buffers;

namespace Sluice.Client.Framing;

/// <summary>A received message in one piece of rented memory.</summary>
/// <remarks><b>Ownership.</b> Dispose once, after the last use of <see cref="Memory"/>.</remarks>
internal sealed class ReceivedMessage(byte[] buffer, int length) : IDisposable
{
    private byte[]? _buffer = buffer;

    public ReadOnlyMemory<byte> Memory =>
        (_buffer ?? throw new ObjectDisposedException(nameof(ReceivedMessage))).AsMemory(0, length);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _buffer, null) is { Length: > 0 } rented)
            ArrayPool<byte>.Shared.Return(rented);
    }
}
