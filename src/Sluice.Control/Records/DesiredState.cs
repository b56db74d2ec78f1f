using System.Diagnostics.CodeAnalysis;

namespace Sluice.Control.Records;

/// <summary>All records of one service at one revision; immutable.</summary>
public sealed record DesiredState
{
    /// <summary>The service.</summary>
    public required ServiceRecord Service { get; init; }

    /// <summary>Grows by one with each edit.</summary>
    public long Revision { get; init; }

    /// <summary>Static endpoints by key.</summary>
    public ValueMap<string, EndpointSpec> Endpoints { get; init; } = ValueMap<string, EndpointSpec>.Empty;

    /// <summary>Monitors by base name.</summary>
    public ValueMap<string, MonitorSpec> Monitors { get; init; } = ValueMap<string, MonitorSpec>.Empty;

    /// <summary>Canaries by name.</summary>
    public ValueMap<string, CanarySpec> Canaries { get; init; } = ValueMap<string, CanarySpec>.Empty;

    /// <summary>What is measured, by endpoint or prefix.</summary>
    public ValueMap<string, MetricSpec> Metrics { get; init; } = ValueMap<string, MetricSpec>.Empty;

    /// <summary>Settings of the service.</summary>
    public ServiceParametersSpec Parameters { get; init; } = new();

    /// <summary>Versions that monitors have given, by name and number, also those not live any more.</summary>
    public ValueList<VersionAssignment> AssignedVersions { get; init; } = [];

    /// <summary>Files of the service by name.</summary>
    public ValueMap<string, ArtifactRecord> Artifacts { get; init; } = ValueMap<string, ArtifactRecord>.Empty;

    /// <summary>Stored records that could not be read: kind and key joined by a colon, and why. They are left out of the
    /// others; taking one out of here removes it.</summary>
    public ValueMap<string, string> Unreadable { get; init; } = ValueMap<string, string>.Empty;

    /// <summary>Finds a file of the service.</summary>
    public bool TryGetArtifact(string? name, [NotNullWhen(true)] out ArtifactRecord? artifact)
    {
        artifact = null;
        return name is not null && Artifacts.TryGetValue(name, out artifact);
    }
}
