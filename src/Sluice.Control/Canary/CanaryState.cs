using System.Collections.Immutable;
using Sluice.Control.Records;

namespace Sluice.Control.Canaries;

/// <summary>A canary as calls see it; immutable but for its counters.</summary>
/// <param name="Spec">As it was written.</param>
/// <param name="Resolution">Where its calls go now.</param>
/// <param name="Counters">One per arm, in the arms' order.</param>
public sealed record CanaryState(CanarySpec Spec, CanaryResolution Resolution, ImmutableArray<CanaryArmCounter> Counters);
