using System.Diagnostics.CodeAnalysis;

namespace Sluice.Tensors;

/// <summary>Lends native buffers in size classes and keeps returned ones for the next renter.</summary>
/// <remarks>
/// <para><b>Threads.</b> Any number. Each core has a few idle buffers of its own in front of the shared stacks; in
/// steady state renting and returning allocate nothing and touch no shared counter.</para>
/// <para><b>Ownership.</b> Dispose the pool after its buffers; a buffer returned later is freed at once.</para>
/// </remarks>
public sealed class TensorBufferPool : IDisposable
{
    /// <summary>Every buffer starts at a multiple of this many bytes.</summary>
    public const int Alignment = 64;

    private readonly TensorBufferPoolOptions _options;
    private readonly TimeProvider _time;
    private readonly ITimer? _timer;
    private readonly BufferStack[] _stacks = new BufferStack[SizeClasses.Count];
    private readonly CoreCache[] _cores = new CoreCache[Environment.ProcessorCount];
    private readonly RenterBook? _book;
    private long _allocatedBytes;
    private int _allocatedCount;
    private long _missCount;
    private long _refusedCount;
    private long _now;
    private volatile bool _disposed;

    /// <summary>Makes an empty pool.</summary>
    /// <param name="options">Its limits.</param>
    /// <param name="timeProvider">Clock and timer of the trimming; default the system's.</param>
    public TensorBufferPool(TensorBufferPoolOptions options, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegative(options.MaxBytes);
        _options = options;
        _time = timeProvider ?? TimeProvider.System;
        _now = _time.GetTimestamp();
        _book = options.Debug ? new RenterBook() : null;
        for (var i = 0; i < _stacks.Length; i++) _stacks[i] = new BufferStack();
        for (var i = 0; i < _cores.Length; i++) _cores[i] = new CoreCache();
        if (options.TrimAfter > TimeSpan.Zero)
        {
            var period = options.TrimAfter / 2;
            _timer = _time.CreateTimer(static pool => ((TensorBufferPool)pool!).Trim(), this, period, period);
        }
    }

    /// <summary>Gets the native memory that is out with renters, in bytes of capacity.</summary>
    public long RentedBytes => Math.Max(0, Interlocked.Read(ref _allocatedBytes) - PooledBytes);

    /// <summary>Gets the native memory lying idle, in bytes.</summary>
    public long PooledBytes => CountIdle(out _);

    /// <summary>Gets how many buffers are out with renters.</summary>
    public int RentedCount
    {
        get
        {
            CountIdle(out var idle);
            return Math.Max(0, Volatile.Read(ref _allocatedCount) - idle);
        }
    }

    /// <summary>Gets the limit of <see cref="TensorBufferPoolOptions.MaxBytes"/>.</summary>
    public long MaxBytes => _options.MaxBytes;

    /// <summary>Gets how often no idle buffer was there and memory was allocated.</summary>
    public long MissCount => Interlocked.Read(ref _missCount);

    /// <summary>Gets how often a buffer was refused because of the limit.</summary>
    public long RefusedCount => Interlocked.Read(ref _refusedCount);

    /// <summary>Rents a buffer; its contents are undefined.</summary>
    /// <param name="length">Bytes; 0 is allowed.</param>
    /// <returns>The buffer; the caller disposes it.</returns>
    /// <exception cref="TensorPoolExhaustedException">The limit would be passed.</exception>
    public TensorBuffer Rent(int length) =>
        TryRent(length, out var buffer)
            ? buffer
            : throw new TensorPoolExhaustedException(
                length, SizeClasses.CapacityOf(SizeClasses.IndexOf(length)), RentedBytes, _options.MaxBytes);

    /// <summary>Rents a buffer unless the limit would be passed; its contents are undefined.</summary>
    /// <param name="length">Bytes; 0 is allowed.</param>
    /// <param name="buffer">The buffer; the caller disposes it.</param>
    /// <returns>False when the limit would be passed.</returns>
    public bool TryRent(int length, [NotNullWhen(true)] out TensorBuffer? buffer)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ObjectDisposedException.ThrowIf(_disposed, this);
        var sizeClass = SizeClasses.IndexOf(length);
        buffer = CurrentCore().Take(sizeClass) ?? _stacks[sizeClass].Pop() ?? TryAllocate(sizeClass);
        if (buffer is null) return false;
        buffer.MarkRented(length);
        _book?.OnRent(buffer);
        return true;
    }

    /// <summary>Frees the buffers that have lain idle for <see cref="TensorBufferPoolOptions.TrimAfter"/>.</summary>
    /// <remarks>Runs by itself twice in that time; a buffer goes between one and two such times after its last use.</remarks>
    public void Trim()
    {
        var now = _time.GetTimestamp();
        Volatile.Write(ref _now, now);
        if (_options.TrimAfter <= TimeSpan.Zero) return;

        // Returns are stamped with the moment of the last trim, up to half a period too early.
        FreeIdleSince(now - (long)(_options.TrimAfter.TotalSeconds * 1.5 * _time.TimestampFrequency));
    }

    /// <summary>Frees what lies idle and, in debug mode, reports each buffer that is still out.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _timer?.Dispose();
        FreeIdleSince(long.MaxValue);
        _book?.ReportLeaks(_options.OnLeak);
    }

    internal void Return(TensorBuffer buffer)
    {
        _book?.OnReturn(buffer);
        buffer.ReturnedAt = Volatile.Read(ref _now);
        if (!CurrentCore().TryPut(buffer)) _stacks[buffer.SizeClass].Push(buffer);
        if (_disposed) FreeIdleSince(long.MaxValue);
    }

    internal void OnDoubleDispose(TensorBuffer buffer)
    {
        if (_book is not null) RenterBook.OnDoubleDispose(buffer);
    }

    private CoreCache CurrentCore() => _cores[(uint)Thread.GetCurrentProcessorId() % (uint)_cores.Length];

    private TensorBuffer? TryAllocate(int sizeClass)
    {
        // Another core may hold what this one lacks; looking there first keeps a producer on one core and a
        // consumer on another from growing the pool.
        foreach (var core in _cores)
        {
            if (core.Take(sizeClass) is { } idle) return idle;
        }

        var capacity = SizeClasses.CapacityOf(sizeClass);
        if (!TryReserve(capacity))
        {
            FreeIdleSince(long.MaxValue);
            if (!TryReserve(capacity))
            {
                Interlocked.Increment(ref _refusedCount);
                return null;
            }
        }

        Interlocked.Increment(ref _allocatedCount);
        Interlocked.Increment(ref _missCount);
        try
        {
            var buffer = new TensorBuffer(this, sizeClass);
            if (_book is not null) RenterBook.Fill(buffer);
            return buffer;
        }
        catch
        {
            Unreserve(capacity);
            throw;
        }
    }

    private bool TryReserve(int capacity)
    {
        if (Interlocked.Add(ref _allocatedBytes, capacity) <= _options.MaxBytes) return true;
        Interlocked.Add(ref _allocatedBytes, -capacity);
        return false;
    }

    private void Unreserve(int capacity)
    {
        Interlocked.Add(ref _allocatedBytes, -capacity);
        Interlocked.Decrement(ref _allocatedCount);
    }

    private void FreeIdleSince(long timestamp)
    {
        for (var sizeClass = 0; sizeClass < SizeClasses.Count; sizeClass++)
        {
            foreach (var core in _cores) Free(core.TakeIdleSince(sizeClass, timestamp));
            Free(_stacks[sizeClass].CutIdleSince(timestamp));
        }
    }

    private void Free(TensorBuffer? first)
    {
        while (first is not null)
        {
            var next = first.Next;
            first.Next = null;
            first.FreeMemory();
            Unreserve(first.Capacity);
            first = next;
        }
    }

    private long CountIdle(out int count)
    {
        long bytes = 0;
        count = 0;
        for (var sizeClass = 0; sizeClass < SizeClasses.Count; sizeClass++)
        {
            var idle = _stacks[sizeClass].Count;
            foreach (var core in _cores) idle += core.CountOf(sizeClass);
            bytes += (long)idle * SizeClasses.CapacityOf(sizeClass);
            count += idle;
        }

        return bytes;
    }
}
