namespace Sluice.Control.Records;

/// <summary>How far a replica is with an endpoint; the numbers are those of the contract.</summary>
public enum EndpointPhase
{
    /// <summary>Waits for its turn.</summary>
    Queued = 1,

    /// <summary>Its model or code is being fetched.</summary>
    Downloading = 2,

    /// <summary>It is being loaded and warmed.</summary>
    Loading = 3,

    /// <summary>It serves.</summary>
    Ready = 4,

    /// <summary>It cannot serve; the reason says why.</summary>
    Failed = 5,

    /// <summary>It is going: what it has accepted is served.</summary>
    Draining = 6,
}

/// <summary>How one replica stands with one endpoint.</summary>
/// <param name="Replica">The replica's name.</param>
/// <param name="ServiceId">The service.</param>
/// <param name="Endpoint">Key of the endpoint.</param>
/// <param name="Phase">How far it is.</param>
public sealed record EndpointStatus(string Replica, string ServiceId, string Endpoint, EndpointPhase Phase)
{
    /// <summary>Share of the download or of the load that is done, 0 to 1.</summary>
    public double Progress { get; init; }

    /// <summary>Why it failed; empty otherwise.</summary>
    public string Reason { get; init; } = "";

    /// <summary>Model that the endpoint has; empty = none.</summary>
    public string ModelId { get; init; } = "";

    /// <summary>Revision of the service that it follows.</summary>
    public long Revision { get; init; }

    /// <summary>When this was told; the sink sets it.</summary>
    public DateTimeOffset UpdatedAt { get; init; }
}
