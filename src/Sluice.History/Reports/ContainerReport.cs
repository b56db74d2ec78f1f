using System.Collections.Immutable;
using Sluice.History.Points;

namespace Sluice.History.Reports;

/// <summary>Something that a container belongs to.</summary>
/// <param name="Type"><c>app_id</c>, <c>app_instance</c>, <c>model</c>, <c>task</c> or <c>url</c>.</param>
/// <param name="Value">Its id or address.</param>
public sealed record ContainerReference(string Type, string Value);

/// <summary>What a container has said of itself, checked (spec clearml §6.1); immutable.</summary>
public sealed record ContainerReport
{
    /// <summary>The container.</summary>
    public required string ContainerId { get; init; }

    /// <summary>Name of the endpoint.</summary>
    public required string EndpointName { get; init; }

    /// <summary>Address of the endpoint; null = it has none yet.</summary>
    public string? EndpointUrl { get; init; }

    /// <summary>Name of the model.</summary>
    public required string ModelName { get; init; }

    /// <summary>Where the model is from.</summary>
    public string? ModelSource { get; init; }

    /// <summary>The model's version.</summary>
    public string? ModelVersion { get; init; }

    /// <summary>Name of the user's code.</summary>
    public string? PreprocessArtifact { get; init; }

    /// <summary>Type of the input.</summary>
    public string? InputType { get; init; }

    /// <summary>Size of the input, as JSON: a text or a number; null = not said.</summary>
    public string? InputSizeJson { get; init; }

    /// <summary>Labels of users.</summary>
    public ImmutableArray<string> Tags { get; init; } = [];

    /// <summary>Labels of programs.</summary>
    public ImmutableArray<string> SystemTags { get; init; } = [];

    /// <summary>What it belongs to; null = not said.</summary>
    public ImmutableArray<ContainerReference>? References { get; init; }

    /// <summary>How long it is believed alive after a word of it; null = not said.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>How long it has served, seconds; null = not said.</summary>
    public long? UptimeSeconds { get; init; }

    /// <summary>Requests since it began; null = not said.</summary>
    public long? Requests { get; init; }

    /// <summary>Requests per minute; null = not said.</summary>
    public double? RequestsPerMinute { get; init; }

    /// <summary>Mean time, milliseconds; null = not said.</summary>
    public double? LatencyMilliseconds { get; init; }

    /// <summary>Processors; 0 = not said.</summary>
    public int CpuCount { get; init; }

    /// <summary>Graphics processors; 0 = not said or none.</summary>
    public int GpuCount { get; init; }

    /// <summary>What its machine is like, as gauges of a point; NaN = not said.</summary>
    public double[] Machine { get; init; } = HistoryPoint.NoGauges();

    /// <summary>Makes the point of its history.</summary>
    /// <param name="at">When it was said, milliseconds since 1970.</param>
    public HistoryPoint ToPoint(long at)
    {
        var gauges = (double[])Machine.Clone();
        gauges[(int)Gauge.RequestsMin] = RequestsPerMinute ?? double.NaN;
        gauges[(int)Gauge.LatencyMs] = LatencyMilliseconds ?? double.NaN;
        return new HistoryPoint { At = at, Requests = Requests ?? -1, Gauges = gauges };
    }
}
