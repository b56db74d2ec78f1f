using System.Text;

namespace Sluice.Tensors.SharedMemory;

/// <summary>The regions that clients have registered, by name.</summary>
/// <remarks>
/// <para>A region that is unregistered while requests use it stays until the last of them has ended; until then it is listed,
/// new requests may use it, and its name is taken. Test suites of the original rely on all three.</para>
/// <para><b>Threads.</b> Any number. The lock is held for table operations alone; requests wait for no mapping.</para>
/// </remarks>
public sealed class SharedMemoryRegistry : IDisposable
{
    /// <summary>Most regions at a time.</summary>
    public const int MaxRegions = 4096;

    /// <summary>Longest name of a region, in UTF-8 bytes.</summary>
    public const int MaxNameBytes = 1024;

    private const string ReservedPrefix = "triton_python_backend_shm_region_";
    private const int LongestKey = 255;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, SharedMemoryRegion> _regions = new(StringComparer.Ordinal);

    /// <summary>Gets how many regions are mapped, those that are leaving included.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
                return _regions.Count;
        }
    }

    /// <summary>Gets how many uses of regions are not ended yet.</summary>
    public int UserCount
    {
        get
        {
            lock (_gate)
                return _regions.Values.Sum(region => region.Users);
        }
    }

    /// <summary>Maps a piece of a shared memory object under a name.</summary>
    /// <param name="name">The name for requests.</param>
    /// <param name="key">The object's name, with or without its leading slash.</param>
    /// <param name="offset">Where the region begins in the object, bytes.</param>
    /// <param name="byteSize">Its size, bytes; 1 or more.</param>
    /// <exception cref="SharedMemoryException">It cannot be registered.</exception>
    public void Register(string name, string key, ulong offset, ulong byteSize)
    {
        CheckName(name);
        CheckKey(name, key);
        lock (_gate)
            CheckRoom(name);
        var region = new SharedMemoryRegion(name, key, offset, byteSize, Open(name, key, offset, byteSize));
        try
        {
            lock (_gate)
            {
                CheckRoom(name);
                _regions.Add(name, region);
            }
        }
        catch (SharedMemoryException)
        {
            ((IDisposable)region).Dispose();
            throw;
        }
    }

    /// <summary>Takes a region out of service; an unknown one is no error.</summary>
    public void Unregister(string name)
    {
        SharedMemoryRegion? left = null;
        lock (_gate)
        {
            if (_regions.TryGetValue(name, out var region) && TryLeave(region))
                left = region;
        }

        (left as IDisposable)?.Dispose();
    }

    /// <summary>Takes every region out of service.</summary>
    public void UnregisterAll()
    {
        SharedMemoryRegion[] left;
        lock (_gate)
            left = [.. _regions.Values.ToArray().Where(TryLeave)];
        foreach (IDisposable region in left)
            region.Dispose();
    }

    /// <summary>Lists regions by name.</summary>
    /// <param name="name">Only this one; empty = all.</param>
    /// <exception cref="SharedMemoryException"><see cref="SharedMemoryError.NotFound"/>.</exception>
    public IReadOnlyList<SharedMemoryRegion> List(string name)
    {
        lock (_gate)
        {
            if (name.Length == 0)
                return [.. _regions.Values.OrderBy(region => region.Name, StringComparer.Ordinal)];
            return _regions.TryGetValue(name, out var region)
                ? [region]
                : throw new SharedMemoryException(
                    SharedMemoryError.NotFound, $"Unable to find system shared memory region: '{name}'");
        }
    }

    /// <summary>Begins a use of a region.</summary>
    /// <param name="nameUtf8">Its name.</param>
    /// <returns>The region; the caller passes it to <see cref="Release"/> once.</returns>
    /// <exception cref="SharedMemoryException"><see cref="SharedMemoryError.NotFound"/>.</exception>
    public SharedMemoryRegion Acquire(ReadOnlySpan<byte> nameUtf8)
    {
        Span<char> name = stackalloc char[MaxNameBytes];
        var length = nameUtf8.Length <= MaxNameBytes ? Encoding.UTF8.GetChars(nameUtf8, name) : 0;
        lock (_gate)
        {
            if (_regions.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(name[..length], out var region))
            {
                region.Users++;
                return region;
            }
        }

        throw new SharedMemoryException(
            SharedMemoryError.NotFound, $"Unable to find shared memory region: '{Encoding.UTF8.GetString(nameUtf8)}'");
    }

    /// <summary>Ends a use; the last one of a region that is leaving unmaps it.</summary>
    public void Release(SharedMemoryRegion region)
    {
        ArgumentNullException.ThrowIfNull(region);
        bool hasLeft;
        lock (_gate)
        {
            region.Users--;
            hasLeft = region is { Users: 0, IsLeaving: true };
            if (hasLeft)
                _regions.Remove(region.Name);
        }

        if (hasLeft)
            ((IDisposable)region).Dispose();
    }

    /// <summary>Unmaps what nobody uses; the rest goes with its last user.</summary>
    public void Dispose() => UnregisterAll();

    private static SharedMemoryMapping Open(string name, string key, ulong offset, ulong byteSize)
    {
        var isPossible = byteSize > 0 && offset <= long.MaxValue && byteSize <= long.MaxValue - offset;
        SharedMemoryMapping? mapping = null;
        var error = isPossible
            ? SharedMemoryMapping.TryOpen('/' + key.TrimStart('/'), (long)offset, (long)byteSize, out mapping)
            : SharedMemoryError.OutOfBounds;
        return error switch
        {
            SharedMemoryError.None => mapping!,
            SharedMemoryError.CannotOpen => throw CannotOpen(key),
            _ => throw new SharedMemoryException(
                error,
                $"failed to register shared memory region '{name}': invalid args; offset {offset} and byte size {byteSize} do not " +
                $"fit the object '{key}'"),
        };
    }

    private static void CheckName(string name)
    {
        if (name.Length == 0 || Encoding.UTF8.GetByteCount(name) > MaxNameBytes)
            throw new SharedMemoryException(
                SharedMemoryError.BadKey,
                $"failed to register shared memory region '{name}': a region's name must have 1 to {MaxNameBytes} bytes");
    }

    /// <summary>Lets nothing but an object of POSIX shared memory be opened.</summary>
    private static void CheckKey(string name, string key)
    {
        var bare = key.AsSpan().TrimStart('/');
        if (bare.StartsWith(ReservedPrefix, StringComparison.Ordinal))
            throw new SharedMemoryException(
                SharedMemoryError.BadKey,
                $"cannot register shared memory region '{name}' with key '{key}' as the key contains the reserved prefix " +
                $"'{ReservedPrefix}'");
        if (bare.IsEmpty)
            throw new SharedMemoryException(
                SharedMemoryError.BadKey, $"failed to register shared memory region '{name}': invalid shared memory key '{key}'");
        if (bare is "." or ".." || bare.ContainsAny('/', '\0') || Encoding.UTF8.GetByteCount(bare) > LongestKey)
            throw CannotOpen(key);
    }

    private static SharedMemoryException CannotOpen(string key) =>
        new(SharedMemoryError.CannotOpen, $"Unable to open shared memory region: '{key}'");

    private void CheckRoom(string name)
    {
        if (_regions.ContainsKey(name))
            throw new SharedMemoryException(
                SharedMemoryError.AlreadyExists, $"shared memory region '{name}' already in manager");
        if (_regions.Count >= MaxRegions)
            throw new SharedMemoryException(
                SharedMemoryError.Exhausted,
                $"failed to register shared memory region '{name}': {MaxRegions} regions are registered already");
    }

    /// <returns>True when nobody uses it: it is out of the table, and the caller unmaps it.</returns>
    private bool TryLeave(SharedMemoryRegion region)
    {
        region.IsLeaving = true;
        return region.Users == 0 && _regions.Remove(region.Name);
    }
}
