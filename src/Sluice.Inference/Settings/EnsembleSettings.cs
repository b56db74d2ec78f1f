using System.Collections.Immutable;

namespace Sluice.Inference;

/// <summary>A model that consists of other models (spec §3.5, ensembles).</summary>
public sealed record EnsembleSettings
{
    /// <summary>The steps, in any order; what they take from each other orders them.</summary>
    public ImmutableArray<EnsembleStepSettings> Steps { get; init; } = [];

    /// <summary>Most responses of one decoupled step that are under way in one request; 0 = the scheduler's own bound.</summary>
    public int MaxInflightRequests { get; init; }
}

/// <summary>One model of an ensemble.</summary>
/// <param name="ModelName">Which model.</param>
/// <param name="Version">Which version; -1 = the highest ready one at the time of each request.</param>
/// <param name="Inputs">The ensemble's tensor by the model's input.</param>
/// <param name="Outputs">The ensemble's tensor by the model's output; outputs that are missing here are dropped.</param>
public sealed record EnsembleStepSettings(
    string ModelName, long Version, ImmutableSortedDictionary<string, string> Inputs, ImmutableSortedDictionary<string, string> Outputs);
