using System.Collections.Immutable;

namespace Sluice.Statistics;

/// <summary>What the metrics page shows (spec §4).</summary>
public sealed record MetricsOptions
{
    /// <summary>Processor and memory of the machine.</summary>
    public bool ShowsMachine { get; init; } = true;

    /// <summary>Shortest time between two looks at the machine.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromMilliseconds(2000);

    /// <summary>The counters of added-up times.</summary>
    public bool HasCounters { get; init; } = true;

    /// <summary>Summaries of times, with quantiles.</summary>
    public bool HasSummaries { get; init; }

    /// <summary>Histograms under the original's names.</summary>
    public bool HasHistograms { get; init; }

    /// <summary>Quantiles of summaries, 0 to 1.</summary>
    public ImmutableArray<double> Quantiles { get; init; } = [0.5, 0.9, 0.95, 0.99, 0.999];
}
