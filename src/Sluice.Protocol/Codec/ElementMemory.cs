using System.Buffers;
using System.Runtime.InteropServices;

namespace Sluice.Protocol.Codec;

/// <summary>Shows memory of elements as memory of bytes.</summary>
internal static class ElementMemory
{
    public static ReadOnlyMemory<byte> AsBytes<T>(ReadOnlyMemory<T> elements)
        where T : unmanaged
    {
        if (typeof(T) == typeof(byte))
            return (ReadOnlyMemory<byte>)(object)elements;
        return new Manager<T>(MemoryMarshal.AsMemory(elements)).Memory;
    }

    /// <summary>Owns nothing: the elements stay the caller's.</summary>
    private sealed class Manager<T>(Memory<T> elements) : MemoryManager<byte>
        where T : unmanaged
    {
        public override Span<byte> GetSpan() => MemoryMarshal.AsBytes(elements.Span);

        public override unsafe MemoryHandle Pin(int elementIndex = 0)
        {
            var handle = elements.Pin();
            return new MemoryHandle((byte*)handle.Pointer + elementIndex, pinnable: new Pinned(handle));
        }

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }

    private sealed class Pinned(MemoryHandle handle) : IPinnable
    {
        public MemoryHandle Pin(int elementIndex) => throw new NotSupportedException();

        public void Unpin() => handle.Dispose();
    }
}
