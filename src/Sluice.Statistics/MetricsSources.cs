using Sluice.Inference;
using Sluice.Statistics.Kafka;
using Sluice.Statistics.Sampling;
using Sluice.Tensors;

namespace Sluice.Statistics;

/// <summary>Where the metrics page reads; each is asked anew for each scrape.</summary>
public sealed record MetricsSources
{
    /// <summary>The loaded model versions.</summary>
    public required Func<IEnumerable<IServable>> Models { get; init; }

    /// <summary>The server's tensor memory.</summary>
    public required TensorBufferPool Pool { get; init; }

    /// <summary>What the ports have counted; none unless given.</summary>
    public Func<IReadOnlyList<FrontEndFigures>> Ports { get; init; } = () => [];

    /// <summary>Number of lost traces; 0 unless given.</summary>
    public Func<long> DroppedTraces { get; init; } = () => 0;

    /// <summary>What endpoints have done; none unless given.</summary>
    public Func<IReadOnlyCollection<EndpointStatistics>> Endpoints { get; init; } = () => [];

    /// <summary>What canaries' arms have done; none unless given.</summary>
    public Func<IReadOnlyCollection<CanaryFigures>> Canaries { get; init; } = () => [];

    /// <summary>What became of records for Kafka; nothing unless given.</summary>
    public Func<KafkaFigures> Kafka { get; init; } = () => default;

    /// <summary>What the history keeps; nothing unless given.</summary>
    public Func<HistorySizes> History { get; init; } = () => default;

    /// <summary>Samples of endpoints' calls; null = none.</summary>
    public EndpointSampler? Sampler { get; init; }
}

/// <summary>What the history of endpoints keeps, at one moment.</summary>
/// <param name="PointCount">Points.</param>
/// <param name="ByteCount">Their bytes in the store.</param>
/// <param name="DroppedCount">Points that were given up.</param>
public readonly record struct HistorySizes(long PointCount, long ByteCount, long DroppedCount);
