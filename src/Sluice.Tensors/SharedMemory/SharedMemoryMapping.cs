using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Sluice.Tensors.SharedMemory;

/// <summary>A piece of a shared memory object, mapped for reading and writing, with the object held open beside it.</summary>
/// <remarks>The open object is what tells that its owner has made it shorter: pages past its end can be mapped, but whoever
/// touches them is killed by SIGBUS.</remarks>
internal sealed unsafe class SharedMemoryMapping : SafeHandle
{
    private readonly int _file;
    private readonly long _start;
    private readonly long _end;
    private readonly nuint _mappedLength;
    private readonly long _skip;

    private SharedMemoryMapping(int file, nint address, nuint mappedLength, long skip, long start, long end)
        : base(-1, ownsHandle: true)
    {
        _file = file;
        _mappedLength = mappedLength;
        _skip = skip;
        _start = start;
        _end = end;
        SetHandle(address);
    }

    public override bool IsInvalid => handle == -1;

    /// <summary>First byte of the piece that was asked for.</summary>
    public byte* Pointer => (byte*)handle + _skip;

    /// <summary>False when the object has become shorter than the piece.</summary>
    public bool IsWhole => SharedMemoryCalls.Seek(_file, 0, SharedMemoryCalls.FromEnd) >= _end;

    /// <summary>Copies bytes out of the piece through the system, which cannot be killed by what the owner does.</summary>
    /// <returns>False when the object has become too short.</returns>
    public bool TryRead(long offset, Span<byte> target)
    {
        fixed (byte* first = target)
        {
            for (var done = 0; done < target.Length;)
            {
                var count = SharedMemoryCalls.ReadAt(_file, first + done, (nuint)(target.Length - done), _start + offset + done);
                if (count <= 0)
                    return false;
                done += (int)count;
            }
        }

        return true;
    }

    /// <summary>Copies bytes into the piece through the system.</summary>
    /// <returns>False when the object has become too short.</returns>
    public bool TryWrite(long offset, ReadOnlySpan<byte> source)
    {
        // Writing past its end would make the object longer again, so that is looked at first.
        if (!IsWhole)
            return false;
        fixed (byte* first = source)
        {
            for (var done = 0; done < source.Length;)
            {
                var count = SharedMemoryCalls.WriteAt(_file, first + done, (nuint)(source.Length - done), _start + offset + done);
                if (count <= 0)
                    return false;
                done += (int)count;
            }
        }

        return true;
    }

    /// <summary>Opens an object and maps a piece of it.</summary>
    /// <param name="key">Its name as <c>shm_open</c> takes it.</param>
    /// <param name="offset">Where the piece begins, bytes; any value of 0 or more.</param>
    /// <param name="length">Bytes; 1 or more.</param>
    /// <param name="mapping">The caller disposes it.</param>
    /// <returns>Why it failed.</returns>
    public static SharedMemoryError TryOpen(
        string key, long offset, long length, [NotNullWhen(true)] out SharedMemoryMapping? mapping)
    {
        mapping = null;
        var file = SharedMemoryCalls.Open(key, SharedMemoryCalls.ReadWrite, 0);
        if (file < 0)
            return SharedMemoryError.CannotOpen;
        var isKept = false;
        try
        {
            var size = SharedMemoryCalls.Seek(file, 0, SharedMemoryCalls.FromEnd);
            if (size < 0)
                return SharedMemoryError.CannotOpen;
            if (length > size || offset > size - length)
                return SharedMemoryError.OutOfBounds;
            var skip = offset % Environment.SystemPageSize;
            var mappedLength = (nuint)(length + skip);
            var address = SharedMemoryCalls.Map(
                0, mappedLength, SharedMemoryCalls.ProtectReadWrite, SharedMemoryCalls.Shared, file, offset - skip);
            if (address == -1)
                return SharedMemoryError.OutOfBounds;
            mapping = new SharedMemoryMapping(file, address, mappedLength, skip, offset, offset + length);
            isKept = true;
            return SharedMemoryError.None;
        }
        finally
        {
            if (!isKept)
                _ = SharedMemoryCalls.Close(file);
        }
    }

    protected override bool ReleaseHandle()
    {
        var hasUnmapped = SharedMemoryCalls.Unmap(handle, _mappedLength) == 0;
        return SharedMemoryCalls.Close(_file) == 0 && hasUnmapped;
    }
}
