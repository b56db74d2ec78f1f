using Sluice.Control.Records;
using Sluice.History.Reports;
using Sluice.Inference;

namespace Sluice.History.Recording;

/// <summary>Where requests are counted already; the history only reads.</summary>
/// <param name="Identity">The counting object; one that is new begins at zero.</param>
/// <param name="Ok">Requests that ended well.</param>
/// <param name="Failed">Requests that failed.</param>
/// <param name="Latency">Times of those that ended well.</param>
public sealed record RequestCounter(object Identity, Func<long> Ok, Func<long> Failed, LatencyHistogram Latency)
{
    /// <summary>Counts of an endpoint's calls; a caller that goes away is no failure of the endpoint.</summary>
    public static RequestCounter Of(EndpointStatistics statistics) => new(
        statistics, () => statistics.Count(EndpointOutcome.Ok),
        () => statistics.Count(EndpointOutcome.BadRequest) + statistics.Count(EndpointOutcome.Failed) +
            statistics.Count(EndpointOutcome.Raised) + statistics.Count(EndpointOutcome.Unavailable) +
            statistics.Count(EndpointOutcome.TimedOut),
        statistics.Latency);

    /// <summary>Counts of a model version's requests.</summary>
    public static RequestCounter Of(ModelStatistics statistics) => new(
        statistics, () => statistics.Success.Count,
        () => statistics.FailureCount(FailureReason.Rejected) + statistics.FailureCount(FailureReason.Backend) +
            statistics.FailureCount(FailureReason.Other) + statistics.LateCount,
        statistics.RequestLatency);
}

/// <summary>One arm of a canary.</summary>
/// <param name="Endpoint">Key of the endpoint.</param>
/// <param name="Share">Share of the calls that is meant; 0 = none go there now.</param>
/// <param name="Counter">Its calls.</param>
public sealed record ServedArm(string Endpoint, double Share, RequestCounter Counter);

/// <summary>One thing that this replica serves, or is about to: an endpoint, a canary, a model.</summary>
public sealed record ServedRow
{
    /// <summary>Key or name.</summary>
    public required string Name { get; init; }

    /// <summary>Address, the same on all replicas.</summary>
    public required string Url { get; init; }

    /// <summary>Where it comes from.</summary>
    public required RowKind Kind { get; init; }

    /// <summary>The service; empty = none.</summary>
    public string ServiceId { get; init; } = "";

    /// <summary>The engine; empty = not known.</summary>
    public string Engine { get; init; } = "";

    /// <summary>Name of the model; empty = none.</summary>
    public string ModelName { get; init; } = "";

    /// <summary>Model of the registry; empty = none.</summary>
    public string ModelId { get; init; } = "";

    /// <summary>The model's version; null = not known.</summary>
    public string? ModelVersion { get; init; }

    /// <summary>Where the model is from; null = not known.</summary>
    public string? ModelSource { get; init; }

    /// <summary>Name of the user's code; null = none.</summary>
    public string? PreprocessArtifact { get; init; }

    /// <summary>Types of inputs; null = not known.</summary>
    public string? InputType { get; init; }

    /// <summary>Sizes of inputs; null = not known.</summary>
    public string? InputSize { get; init; }

    /// <summary>How far it is.</summary>
    public EndpointPhase Phase { get; init; } = EndpointPhase.Ready;

    /// <summary>Why it failed; empty otherwise.</summary>
    public string Reason { get; init; } = "";

    /// <summary>Its calls.</summary>
    public IReadOnlyList<RequestCounter> Counters { get; init; } = [];

    /// <summary>The models that it runs here, for batches and queues.</summary>
    public IReadOnlyList<ModelStatistics> Models { get; init; } = [];

    /// <summary>Where a canary's calls go.</summary>
    public IReadOnlyList<ServedArm> Arms { get; init; } = [];
}

/// <summary>Tells what this replica serves.</summary>
/// <remarks><b>Threads.</b> Any number of callers.</remarks>
public interface IServedRows
{
    /// <summary>Lists it; addresses are unique.</summary>
    IReadOnlyList<ServedRow> List();
}
