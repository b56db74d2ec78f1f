using Sluice.Control.Artifacts;
using Sluice.Control.Records;

namespace Sluice.Control.Reconciler;

/// <summary>All that decides how an endpoint is loaded; equal targets need no new load.</summary>
/// <param name="Spec">The endpoint.</param>
public sealed record EndpointTarget(EndpointSpec Spec)
{
    /// <summary>The service that has it.</summary>
    public string ServiceId { get; init; } = "";

    /// <summary>The model's file; null = none.</summary>
    public ArtifactReference? Model { get; init; }

    /// <summary>Token of the model's framework; empty = none.</summary>
    public string Framework { get; init; } = "";

    /// <summary>The code's file; null = none.</summary>
    public ArtifactReference? Code { get; init; }

    /// <summary>Server that runs the model; null = this one.</summary>
    public string? RemoteServer { get; init; }

    /// <summary>Compress requests to it.</summary>
    public bool CompressesRemote { get; init; }

    /// <summary>Why the endpoint cannot be loaded whatever is tried; empty = nothing is known against it.</summary>
    public string Fault { get; init; } = "";

    /// <summary>The part that concerns the model in the table: with an equal one it need not be loaded again.</summary>
    internal EndpointTarget ModelPart => this with { ServiceId = "", Code = null, Spec = Spec with { PreprocessArtifact = null, ServesLatest = false } };
}
