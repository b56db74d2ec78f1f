using System.Collections.Immutable;

namespace Sluice.Inference;

/// <summary>What an instance needs to run (spec §3.1, rate limiter).</summary>
public sealed record RateLimitSettings
{
    /// <summary>What each run takes, and gives back at its end.</summary>
    public ImmutableArray<RateLimitNeed> Needs { get; init; } = [];

    /// <summary>An instance of priority 2 runs half as often as one of priority 1. Default 1; at least 1.</summary>
    public int Priority { get; init; } = 1;
}

/// <summary>One resource that a run takes.</summary>
/// <param name="Name">The resource.</param>
/// <param name="IsGlobal">There is one store for all devices; else each device has its own.</param>
/// <param name="Count">Units.</param>
public sealed record RateLimitNeed(string Name, bool IsGlobal, long Count);
