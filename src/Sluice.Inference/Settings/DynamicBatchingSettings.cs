using System.Collections.Immutable;

namespace Sluice.Inference;

/// <summary>How requests are joined to batches (spec §3.5).</summary>
public sealed record DynamicBatchingSettings
{
    /// <summary>Sizes worth waiting for, ascending; empty = the model's largest.</summary>
    public ImmutableArray<int> PreferredBatchSizes { get; init; } = [];

    /// <summary>Longest wait for company, microseconds. Default 0: never wait.</summary>
    public long MaxQueueDelayMicroseconds { get; init; }

    /// <summary>Responses leave in the order in which requests came.</summary>
    public bool PreserveOrdering { get; init; }

    /// <summary>Number of priority levels, 1 the most urgent; 0 = no priorities.</summary>
    public int PriorityLevels { get; init; }

    /// <summary>Level of requests that name none.</summary>
    public int DefaultPriorityLevel { get; init; }

    /// <summary>Bounds of levels without an own entry.</summary>
    public QueuePolicySettings DefaultQueuePolicy { get; init; } = new();

    /// <summary>Bounds by level.</summary>
    public ImmutableDictionary<int, QueuePolicySettings> PriorityQueuePolicies { get; init; } =
        ImmutableDictionary<int, QueuePolicySettings>.Empty;
}

/// <summary>What becomes of a request that waits too long.</summary>
public enum QueueTimeoutAction
{
    /// <summary>It fails with <see cref="InferenceCode.Unavailable"/>.</summary>
    Reject,

    /// <summary>It goes behind all others of its level.</summary>
    Delay,
}

/// <summary>Bounds of one queue.</summary>
public sealed record QueuePolicySettings
{
    /// <summary>What happens at the time-out.</summary>
    public QueueTimeoutAction TimeoutAction { get; init; }

    /// <summary>Longest time in the queue, microseconds; 0 = no bound.</summary>
    public long DefaultTimeoutMicroseconds { get; init; }

    /// <summary>A request's own <c>timeout</c> may shorten the default.</summary>
    public bool AllowTimeoutOverride { get; init; }

    /// <summary>Most requests waiting; 0 = no bound of its own.</summary>
    public int MaxQueueSize { get; init; }
}
