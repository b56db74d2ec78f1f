using Sluice.Control.Records;
using Sluice.Inference;

namespace Sluice.Control.Endpoints;

/// <summary>An endpoint as calls see it; immutable.</summary>
/// <param name="Key"><c>name</c> or <c>name/version</c>.</param>
/// <param name="Phase">How far it is.</param>
/// <param name="Reason">Why it failed; empty otherwise.</param>
/// <param name="Loaded">What runs it; null while nothing does.</param>
/// <param name="ServesLatest">It asks to answer for the name without a version.</param>
public sealed record EndpointState(string Key, EndpointPhase Phase, string Reason, LoadedEndpoint? Loaded, bool ServesLatest)
{
    /// <summary>The service that has it; canaries lead to endpoints of their own service only.</summary>
    public string ServiceId { get; init; } = "";

    /// <summary>What its calls have done; the table gives each key its own.</summary>
    public EndpointStatistics? Statistics { get; init; }
}
