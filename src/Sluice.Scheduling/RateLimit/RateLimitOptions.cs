using System.Collections.Immutable;

namespace Sluice.Scheduling.RateLimit;

/// <summary>Whether executions share resources, and how many there are.</summary>
public sealed record RateLimitOptions
{
    /// <summary>Configurations' <c>rate_limiter</c> counts (<c>--rate-limit=execution_count</c>). Default false.</summary>
    public bool IsOn { get; init; }

    /// <summary>What there is (<c>--rate-limit-resource</c>); of others there is as much as the neediest instance takes.</summary>
    public ImmutableArray<RateLimitResource> Resources { get; init; } = [];
}

/// <summary>How much there is of a resource.</summary>
/// <param name="Name">The resource.</param>
/// <param name="Count">Units.</param>
/// <param name="Device">On which device; null = on each, and of global resources at all.</param>
public sealed record RateLimitResource(string Name, long Count, int? Device);
