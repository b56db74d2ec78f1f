using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Sluice.Backends.Forest.Engine;

/// <summary>An array at a fixed address that is a multiple of 64, zero at first.</summary>
internal sealed unsafe class AlignedArray<T>
    where T : unmanaged
{
    private const int Alignment = 64;

    // Pinned for its whole life; kept here so that the memory lives as long as this object.
    private readonly byte[] _memory;

    public AlignedArray(int length)
    {
        Length = length;
        _memory = GC.AllocateArray<byte>(checked((length * sizeof(T)) + Alignment), pinned: true);
        var start = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_memory));
        Pointer = (T*)((start + Alignment - 1) & -Alignment);
    }

    public int Length { get; }

    public T* Pointer { get; }

    public Span<T> Span => new(Pointer, Length);

    public long ByteSize => _memory.Length;
}
