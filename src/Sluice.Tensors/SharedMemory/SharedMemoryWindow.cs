using System.Buffers;
using System.Runtime.InteropServices;

namespace Sluice.Tensors.SharedMemory;

/// <summary>A stretch of a region as <see cref="Memory{T}"/>, which reaches no further than 2 GiB.</summary>
/// <remarks><b>Ownership.</b> Borrows the region: memory taken from it is used only while the region is held.</remarks>
public sealed unsafe class SharedMemoryWindow : MemoryManager<byte>
{
    private readonly byte* _pointer;
    private readonly int _length;

    internal SharedMemoryWindow(byte* pointer, int length)
    {
        _pointer = pointer;
        _length = length;
    }

    /// <inheritdoc/>
    public override Memory<byte> Memory => CreateMemory(_length);

    /// <summary>Finds the address of a piece of memory that lies in a region.</summary>
    /// <param name="memory">Any memory.</param>
    /// <param name="pointer">Its first byte.</param>
    /// <returns>False when it lies elsewhere.</returns>
    public static bool TryGet(ReadOnlyMemory<byte> memory, out byte* pointer)
    {
        var isShared = MemoryMarshal.TryGetMemoryManager<byte, SharedMemoryWindow>(memory, out var window, out var offset, out _);
        pointer = isShared ? window!._pointer + offset : null;
        return isShared;
    }

    /// <inheritdoc/>
    public override Span<byte> GetSpan() => new(_pointer, _length);

    /// <summary>Gives a handle on the memory, which never moves.</summary>
    /// <param name="elementIndex">Offset in bytes.</param>
    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)_length, nameof(elementIndex));
        return new MemoryHandle(_pointer + elementIndex);
    }

    /// <summary>Does nothing: the memory never moves.</summary>
    public override void Unpin()
    {
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
    }
}
