using System.Collections.Immutable;

namespace Sluice.Models;

/// <summary>Who decides which models are loaded.</summary>
public enum ModelControlMode
{
    /// <summary>All at start, no changes after.</summary>
    None,

    /// <summary>All, following the disk.</summary>
    Poll,

    /// <summary>Those named at start, then by request.</summary>
    Explicit,
}

/// <summary>How models are loaded.</summary>
public sealed record LifecycleOptions
{
    /// <summary>Who decides. Default none (<c>--model-control-mode</c>).</summary>
    public ModelControlMode Mode { get; init; } = ModelControlMode.None;

    /// <summary>Explicit mode: models to load at start; <c>*</c> means all (<c>--load-model</c>).</summary>
    public ImmutableArray<string> StartupModels { get; init; } = [];

    /// <summary>Poll mode: time between looks. Default 15 s; more than 0 (<c>--repository-poll-secs</c>).</summary>
    public TimeSpan PollPeriod { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Versions loading at a time. Default 4; 1 or more (<c>--model-load-thread-count</c>).</summary>
    public int LoadThreadCount { get; init; } = 4;

    /// <summary>Further attempts after a failed load. Default 0 (<c>--model-load-retry-count</c>).</summary>
    public int LoadRetryCount { get; init; }
}
