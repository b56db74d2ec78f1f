using System.Collections.Immutable;
using Sluice.Inference;

namespace Sluice.Control.Canaries;

/// <summary>Where a canary's calls go at one moment.</summary>
/// <param name="Arms">Endpoints that can be called; empty when calls fail.</param>
/// <param name="Outcome">How calls end when there is no arm.</param>
/// <param name="Detail">What callers are told then.</param>
public sealed record CanaryResolution(ImmutableArray<CanaryArm> Arms, EndpointOutcome Outcome, string Detail);
