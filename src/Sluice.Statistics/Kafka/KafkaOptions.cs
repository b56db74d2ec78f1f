using System.Collections.Immutable;

namespace Sluice.Statistics.Kafka;

/// <summary>How records reach Kafka.</summary>
public sealed record KafkaOptions
{
    /// <summary>The topic; the original's unless given.</summary>
    public string Topic { get; init; } = "clearml_inference_stats";

    /// <summary>Further settings of librdkafka by their names there, such as <c>security.protocol</c>; they count before ours.</summary>
    public ImmutableArray<(string Name, string Value)> Settings { get; init; } = [];

    /// <summary>Longest time that waiting records are sent at the end of the program.</summary>
    public TimeSpan DrainLimit { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>What has become of records for Kafka, at one moment.</summary>
/// <param name="Delivered">Records that a broker has confirmed.</param>
/// <param name="Dropped">Records that were given up: no room, no broker in time, no library.</param>
/// <param name="Waiting">Records that are on their way.</param>
public readonly record struct KafkaFigures(long Delivered, long Dropped, long Waiting);
