using Sluice.Control.Records;

namespace Sluice.Control;

/// <summary>What a replica knows of the store; immutable, swapped as a whole.</summary>
public sealed record ControlSnapshot
{
    /// <summary>Grows with every swap.</summary>
    public long Sequence { get; init; }

    /// <summary>Services by id.</summary>
    public ValueMap<string, DesiredState> Services { get; init; } = ValueMap<string, DesiredState>.Empty;

    /// <summary>The service whose endpoints this server serves; null = there is none yet.</summary>
    public string? ServedServiceId { get; init; }

    /// <summary>Grows with every change of the model registry.</summary>
    public long RegistryRevision { get; init; }

    /// <summary>False while the store cannot be reached: what stands here is the last that is known.</summary>
    public bool IsStoreReachable { get; init; } = true;

    /// <summary>The served service's records; null = there is none yet.</summary>
    public DesiredState? Served =>
        ServedServiceId is not null && Services.TryGetValue(ServedServiceId, out var state) ? state : null;
}
