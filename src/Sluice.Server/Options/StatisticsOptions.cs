using Sluice.History;
using Sluice.Statistics.Kafka;

namespace Sluice.Server;

/// <summary>What is sampled of endpoints' calls, and where the samples go besides the metrics page.</summary>
public sealed record StatisticsOptions
{
    /// <summary>Share of calls that are sampled where neither the endpoint nor its service says so, 0 to 1. Default all.</summary>
    public double LogFrequency { get; init; } = 1;

    /// <summary>Kafka's bootstrap address where a service names none; empty (default) = none.</summary>
    public string KafkaServer { get; init; } = "";

    /// <summary>How records reach Kafka.</summary>
    public KafkaOptions Kafka { get; init; } = new();

    /// <summary>How the history is kept.</summary>
    public HistoryOptions History { get; init; } = new();

    /// <summary>One more port for the metrics page, at its address, as the original's exporter has; null (default) = none.</summary>
    public int? Port { get; init; }
}
