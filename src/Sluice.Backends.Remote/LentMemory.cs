using System.Buffers;

namespace Sluice.Backends.Remote;

/// <summary>Native memory of a batch as the client takes it; good while the batch is executed.</summary>
internal sealed unsafe class LentMemory(byte* data, int length) : MemoryManager<byte>
{
    public override Span<byte> GetSpan() => new(data, length);

    public override MemoryHandle Pin(int elementIndex = 0) => new(data + elementIndex);

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
    }
}
