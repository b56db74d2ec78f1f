using Sluice.Scheduling.Cache;
using Sluice.Scheduling.Overload;
using Sluice.Scheduling.RateLimit;

namespace Sluice.Scheduling;

/// <summary>Choices that hold for all models.</summary>
public sealed record SchedulerOptions
{
    /// <summary>Most requests that may wait for one model. Default 65,536; at least 1.</summary>
    public int MaxQueuedRequests { get; init; } = 65_536;

    /// <summary>Models whose executions are shorter may run on the thread that brought the request. Default 200 µs.</summary>
    public TimeSpan InlineLimit { get; init; } = TimeSpan.FromMicroseconds(200);

    /// <summary>Below this, joining requests to batches costs more than it saves. Default 3 µs.</summary>
    public TimeSpan BatchingWorthLimit { get; init; } = TimeSpan.FromMicroseconds(3);

    /// <summary>A request that follows an execution within this time is taken as one of many. Default 10 µs.</summary>
    public TimeSpan QuietTime { get; init; } = TimeSpan.FromMicroseconds(10);

    /// <summary>When models refuse work to keep their queues short, unless their own configuration says otherwise.</summary>
    public OverloadSettings Overload { get; init; } = new();

    /// <summary>Latency within which batching models choose size and delay themselves, unless their configuration says otherwise; zero = as
    /// configured (default).</summary>
    public TimeSpan LatencyObjective { get; init; }

    /// <summary>Keep the times of executions' parts per request, for summaries. Default false.</summary>
    public bool KeepsStageLatencies { get; init; }

    /// <summary>Most sequences that one model may have under way, waiting ones included. Default 65,536; at least 1.</summary>
    public int MaxSequences { get; init; } = 65_536;

    /// <summary>Requests of which each model keeps the inputs, to warm its successor with after a reload; 0 = none. Default 8.</summary>
    public int RecentRequestCount { get; init; } = 8;

    /// <summary>Test hook: hold the first batch of each model until so many requests wait; 0 = never (default).</summary>
    public int HoldUntilQueued { get; init; }

    /// <summary>Test hook: hold the first batch of each sequence model until so many requests wait for a slot; 0 = never
    /// (default).</summary>
    public int HoldUntilBacklogged { get; init; }

    /// <summary>Bounds of the response cache; without a size there is none (default).</summary>
    public CacheOptions Cache { get; init; } = new();

    /// <summary>Whether instances share resources.</summary>
    public RateLimitOptions RateLimit { get; init; } = new();

    /// <summary>An execution that runs longer is told, and its model is not ready meanwhile; zero = never (default).</summary>
    public TimeSpan WatchdogLimit { get; init; }
}
