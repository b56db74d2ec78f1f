using System.Diagnostics;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Remembers how long a model's executions take, and decides from it where the next one runs.</summary>
/// <remarks>
/// <para>Three ways were measured on two cores. A tiny model is cheapest on the request's own thread: no hop, no suspended
/// call. A cheap model that gains from batches is best drained once by a pool thread: all requests that the same read brought
/// are then waiting. An expensive model gets a thread of its own, so that it never holds up the pool.</para>
/// <para><b>Threads.</b> Any; values are racy on purpose, they only steer.</para>
/// </remarks>
internal sealed class RunTimeEstimate
{
    private const int Smoothing = 8;

    private readonly long _inlineLimit;
    private readonly long _batchingWorthLimit;
    private readonly long _quietTicks;
    private readonly bool _canBatch;
    private readonly bool _isElsewhere;
    private long _runTicks = long.MaxValue;
    private long _singleTicks = long.MaxValue;
    private long _lastFinish;

    public RunTimeEstimate(SchedulerOptions options, bool canBatch, bool mayBeCheap, bool isElsewhere)
    {
        _isElsewhere = isElsewhere;
        _inlineLimit = mayBeCheap ? Ticks(options.InlineLimit) : -1;
        _batchingWorthLimit = Ticks(options.BatchingWorthLimit);
        _quietTicks = Ticks(options.QuietTime);
        _canBatch = canBatch;
    }

    /// <summary>Executions are short enough for threads that serve connections, or take no thread of ours at all.</summary>
    public bool IsCheap => Volatile.Read(ref _runTicks) <= _inlineLimit || _isElsewhere;

    /// <summary>Tells whether a request had better run at once where it is.</summary>
    public bool PrefersInline(long now) =>
        IsCheap && (!_canBatch || Volatile.Read(ref _singleTicks) <= _batchingWorthLimit ||
            now - Volatile.Read(ref _lastFinish) > _quietTicks);

    /// <summary>Learns from one execution.</summary>
    /// <param name="requests">Requests in it.</param>
    /// <param name="ticks">Its whole time.</param>
    /// <param name="now">When it ended.</param>
    public void Observe(int requests, long ticks, long now)
    {
        Volatile.Write(ref _lastFinish, now);
        Smooth(ref _runTicks, ticks);
        if (requests == 1)
            Smooth(ref _singleTicks, ticks);
    }

    private static void Smooth(ref long estimate, long value)
    {
        var old = Volatile.Read(ref estimate);
        Volatile.Write(ref estimate, old == long.MaxValue ? value : old + ((value - old) / Smoothing));
    }

    private static long Ticks(TimeSpan time) => (long)(time.TotalSeconds * Stopwatch.Frequency);
}
