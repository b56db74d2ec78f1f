using Sluice.Backends.Python.Interop;
using Sluice.Inference;

namespace Sluice.Backends.Python.Wire;

/// <summary>Memory that a worker and the server share, without a name that others could find it by.</summary>
/// <remarks>
/// <para><b>Ownership.</b> Counted: the connection holds one reference, every tensor that lies in it another, so an answer that
/// is still being written outlives its worker. With the last one it is unmapped.</para>
/// <para><b>Threads.</b> Any.</para>
/// </remarks>
internal sealed unsafe class SharedRegion
{
    private readonly byte* _start;
    private int _references = 1;

    /// <summary>Makes a region with one reference, the caller's.</summary>
    /// <param name="length">Bytes of address space; memory is taken as pages are touched.</param>
    public SharedRegion(long length)
    {
        Length = length;
        File = LibC.CreateMemory(length);
        var address = File < 0 ? -1 : LibC.Map(File, length);
        if (address == -1)
        {
            if (File >= 0)
                LibC.Close(File);
            throw new InferenceException(
                InferenceCode.ResourceExhausted, $"the system gives no {length} bytes of memory to share with a Python process");
        }

        _start = (byte*)address;
    }

    /// <summary>Bytes.</summary>
    public long Length { get; }

    /// <summary>The descriptor, closed with the region.</summary>
    public int File { get; }

    /// <summary>Somebody beside the connection holds a reference: work is under way, or tensors are being written.</summary>
    public bool IsInUse => Volatile.Read(ref _references) > 1;

    /// <summary>The byte at an offset.</summary>
    public byte* At(long offset) => _start + offset;

    /// <summary>True when a piece lies in the region.</summary>
    public bool Holds(ulong offset, ulong length) => length <= (ulong)Length && offset <= (ulong)Length - length;

    /// <summary>Adds a reference; only who holds one may.</summary>
    public void AddReference() => Interlocked.Increment(ref _references);

    /// <summary>Adds a reference.</summary>
    /// <returns>False when the region is gone.</returns>
    public bool TryAddReference()
    {
        for (var count = Volatile.Read(ref _references); count > 0;)
        {
            var seen = Interlocked.CompareExchange(ref _references, count + 1, count);
            if (seen == count)
                return true;
            count = seen;
        }

        return false;
    }

    /// <summary>Drops a reference.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _references) != 0)
            return;
        LibC.Unmap((nint)_start, Length);
        LibC.Close(File);
    }
}
