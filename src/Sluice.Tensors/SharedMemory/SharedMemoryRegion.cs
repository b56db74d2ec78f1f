namespace Sluice.Tensors.SharedMemory;

/// <summary>A registered piece of shared memory that clients name in their requests.</summary>
/// <remarks>
/// <para><b>Ownership.</b> Counted by its <see cref="SharedMemoryRegistry"/>: memory taken from it is valid from
/// <see cref="SharedMemoryRegistry.Acquire"/> to <see cref="SharedMemoryRegistry.Release"/>.</para>
/// <para><b>Threads.</b> Any number. What lies in the memory may change at any time: its owner is another process.</para>
/// </remarks>
public sealed unsafe class SharedMemoryRegion : IDisposable
{
    private readonly SharedMemoryMapping _mapping;
    private readonly SharedMemoryWindow _window;

    internal SharedMemoryRegion(string name, string key, ulong offset, ulong byteSize, SharedMemoryMapping mapping)
    {
        Name = name;
        Key = key;
        Offset = offset;
        ByteSize = byteSize;
        _mapping = mapping;
        _window = new SharedMemoryWindow(mapping.Pointer, (int)Math.Min(byteSize, int.MaxValue));
    }

    /// <summary>The name that clients use.</summary>
    public string Name { get; }

    /// <summary>The shared memory object's own name.</summary>
    public string Key { get; }

    /// <summary>Where the region begins in the object, bytes.</summary>
    public ulong Offset { get; }

    /// <summary>The region's size, bytes.</summary>
    public ulong ByteSize { get; }

    /// <summary>False when the object has become shorter than the region, so that the memory must not be touched.</summary>
    public bool IsWhole => _mapping.IsWhole;

    /// <summary>Requests that hold it; guarded by the registry.</summary>
    internal int Users { get; set; }

    /// <summary>It goes when its last user does; guarded by the registry.</summary>
    internal bool IsLeaving { get; set; }

    /// <summary>Checks a piece against the region and against the object as it is now.</summary>
    /// <param name="offset">First byte in the region.</param>
    /// <param name="byteSize">Bytes.</param>
    /// <exception cref="SharedMemoryException"><see cref="SharedMemoryError.OutOfBounds"/>.</exception>
    public void Check(ulong offset, ulong byteSize)
    {
        if (offset >= ByteSize)
            throw OutOfBounds($"Invalid offset for shared memory region: '{Name}'");
        if (byteSize > ByteSize - offset)
            throw OutOfBounds($"Invalid offset + byte size for shared memory region: '{Name}'");
        if (byteSize > int.MaxValue)
            throw OutOfBounds(
                $"a tensor of {byteSize} bytes in shared memory region '{Name}' is larger than the limit of {int.MaxValue} bytes");
        if (!_mapping.IsWhole)
            throw Shorter();
    }

    /// <summary>Copies bytes out of a piece that was checked; a region made shorter since is an error and no crash.</summary>
    /// <param name="offset">First byte in the region.</param>
    /// <param name="target">Where they go.</param>
    /// <exception cref="SharedMemoryException"><see cref="SharedMemoryError.OutOfBounds"/>.</exception>
    public void Read(ulong offset, Span<byte> target)
    {
        if (!_mapping.TryRead((long)offset, target))
            throw Shorter();
    }

    /// <summary>Copies bytes into a piece that was checked; a region made shorter since is an error and no crash.</summary>
    /// <param name="offset">First byte in the region.</param>
    /// <param name="source">What is written.</param>
    /// <exception cref="SharedMemoryException"><see cref="SharedMemoryError.OutOfBounds"/>.</exception>
    public void Write(ulong offset, ReadOnlySpan<byte> source)
    {
        if (!_mapping.TryWrite((long)offset, source))
            throw Shorter();
    }

    /// <summary>Gets the address of a piece that was checked.</summary>
    /// <param name="offset">First byte in the region.</param>
    public byte* PointerAt(ulong offset) => _mapping.Pointer + offset;

    /// <summary>Gets a piece that was checked as memory; allocates only past the region's first 2 GiB.</summary>
    /// <param name="offset">First byte in the region.</param>
    /// <param name="byteSize">Bytes.</param>
    public ReadOnlyMemory<byte> Slice(ulong offset, int byteSize) =>
        offset + (ulong)byteSize <= int.MaxValue
            ? _window.Memory.Slice((int)offset, byteSize)
            : new SharedMemoryWindow(PointerAt(offset), byteSize).Memory;

    /// <summary>Unmaps it; only its registry knows when.</summary>
    void IDisposable.Dispose()
    {
        ((IDisposable)_window).Dispose();
        _mapping.Dispose();
    }

    private SharedMemoryException Shorter() => OutOfBounds(
        $"Invalid offset + byte size for shared memory region: '{Name}': its object '{Key}' has become shorter than the region");

    private static SharedMemoryException OutOfBounds(string message) => new(SharedMemoryError.OutOfBounds, message);
}
