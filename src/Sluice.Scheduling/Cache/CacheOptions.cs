namespace Sluice.Scheduling.Cache;

/// <summary>The response cache's bounds (<c>--cache-config local,…</c>).</summary>
public sealed record CacheOptions
{
    /// <summary>Most bytes of requests and responses kept, their administration included; 0 = no cache (default).</summary>
    public long SizeBytes { get; init; }

    /// <summary>How long an answer holds; zero = until its room is needed (default).</summary>
    public TimeSpan Lifetime { get; init; }
}
