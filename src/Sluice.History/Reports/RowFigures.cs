using Sluice.Control.Records;
using Sluice.History.Points;

namespace Sluice.History.Reports;

/// <summary>Where an endpoint comes from; the numbers are those of the contract.</summary>
public enum RowKind
{
    /// <summary>Somebody has written it.</summary>
    Static = 1,

    /// <summary>A monitor has made it.</summary>
    AutoUpdate = 2,

    /// <summary>A canary.</summary>
    Canary = 3,

    /// <summary>A model of the repository.</summary>
    Model = 4,

    /// <summary>Another program reports it.</summary>
    Reported = 5,
}

/// <summary>What was counted in about the last minute.</summary>
/// <param name="Seconds">How long that was, above 0.</param>
/// <param name="Ok">Requests that ended well.</param>
/// <param name="Failed">Requests that failed.</param>
/// <param name="Nanoseconds">Times of those that ended well, added up.</param>
/// <param name="Latency">These times in buckets.</param>
public sealed record RecentCounts(double Seconds, long Ok, long Failed, long Nanoseconds, IReadOnlyList<BucketCount> Latency)
{
    /// <summary>Nothing in a minute.</summary>
    public static RecentCounts None { get; } = new(60, 0, 0, 0, []);

    /// <summary>Requests that ended well, per minute.</summary>
    public double PerMinute => Math.Round(Ok * 60 / Seconds, 2);

    /// <summary>Mean time in milliseconds; 0 when there were none.</summary>
    public double MeanMilliseconds => Ok == 0 ? 0 : Math.Round(Nanoseconds / 1e6 / Ok, 4);
}

/// <summary>One arm of a canary as one replica sees it.</summary>
/// <param name="Endpoint">Key of the endpoint.</param>
/// <param name="Share">Share of the calls that is meant; 0 = none go there now.</param>
/// <param name="Ok">Calls that ended well.</param>
/// <param name="Failed">Calls that failed.</param>
/// <param name="Recent">The last minute.</param>
public sealed record ArmFigures(string Endpoint, double Share, long Ok, long Failed, RecentCounts Recent);

/// <summary>What replicas of this program say of an endpoint beyond what the serving calls have; immutable.</summary>
public sealed record RowFigures
{
    /// <summary>Where the endpoint comes from.</summary>
    public required RowKind Kind { get; init; }

    /// <summary>Address, also while it does not serve.</summary>
    public required string Url { get; init; }

    /// <summary>The service; empty = none.</summary>
    public string ServiceId { get; init; } = "";

    /// <summary>The engine; empty = not known.</summary>
    public string Engine { get; init; } = "";

    /// <summary>Model of the registry; empty = none.</summary>
    public string ModelId { get; init; } = "";

    /// <summary>How far it is.</summary>
    public EndpointPhase Phase { get; init; } = EndpointPhase.Ready;

    /// <summary>Why it failed; empty otherwise.</summary>
    public string Reason { get; init; } = "";

    /// <summary>Share of the load that is done.</summary>
    public double Progress { get; init; }

    /// <summary>Requests that failed since it began.</summary>
    public long Failures { get; init; }

    /// <summary>The last minute.</summary>
    public RecentCounts Recent { get; init; } = RecentCounts.None;

    /// <summary>Where a canary's calls go.</summary>
    public IReadOnlyList<ArmFigures> Arms { get; init; } = [];
}
