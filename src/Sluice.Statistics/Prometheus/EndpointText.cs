using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Text;
using Sluice.Inference;
using Sluice.Statistics.Kafka;
using Sluice.Statistics.Sampling;

namespace Sluice.Statistics.Prometheus;

/// <summary>Writes what endpoints and canaries have done, and what was sampled of them.</summary>
internal sealed class EndpointText
{
    private static readonly ImmutableArray<(EndpointOutcome Outcome, byte[] Text)> Outcomes =
    [
        .. Enum.GetValues<EndpointOutcome>().Where(outcome => outcome != EndpointOutcome.NotFound)
            .Select(outcome => (outcome, Encoding.ASCII.GetBytes(NameOf(outcome)))),
    ];

    private readonly ConditionalWeakTable<EndpointStatistics, LabelSet> _labels = [];

    public void Write(PrometheusWriter writer, IReadOnlyCollection<EndpointStatistics> endpoints)
    {
        writer.BeginFamily(MetricFamilies.EndpointCalls);
        foreach (var endpoint in endpoints)
        {
            foreach (var (outcome, text) in Outcomes)
            {
                writer.BeginSample(MetricFamilies.EndpointCalls.Name, "", Labels(endpoint), "outcome", text);
                writer.EndSample(endpoint.Count(outcome));
            }
        }

        writer.BeginFamily(MetricFamilies.EndpointDuration);
        foreach (var endpoint in endpoints)
            HistogramText.Write(writer, MetricFamilies.EndpointDuration, Labels(endpoint), endpoint.Latency);
    }

    public static void Write(PrometheusWriter writer, IReadOnlyCollection<CanaryFigures> canaries)
    {
        writer.BeginFamily(MetricFamilies.CanaryCalls);
        foreach (var arm in canaries)
        {
            WriteNumber(writer, MetricFamilies.CanaryCalls, Labels(arm), "outcome", "failed"u8, arm.FailureCount);
            WriteNumber(writer, MetricFamilies.CanaryCalls, Labels(arm), "outcome", "ok"u8, arm.OkCount);
        }

        writer.BeginFamily(MetricFamilies.CanaryDuration);
        foreach (var arm in canaries)
            HistogramText.Write(writer, MetricFamilies.CanaryDuration, Labels(arm), arm.Latency);
    }

    /// <summary>Writes how sampling goes.</summary>
    public static void Write(PrometheusWriter writer, EndpointSampler? sampler)
    {
        writer.BeginFamily(MetricFamilies.Samples);
        WriteNumber(writer, MetricFamilies.Samples, LabelSet.Empty, "outcome", "dropped"u8, sampler?.DroppedCount ?? 0);
        WriteNumber(writer, MetricFamilies.Samples, LabelSet.Empty, "outcome", "taken"u8, sampler?.TakenCount ?? 0);
        var ignored = sampler?.Ignored ?? new IgnoredValues();
        writer.BeginFamily(MetricFamilies.IgnoredValues);
        WriteNumber(writer, MetricFamilies.IgnoredValues, LabelSet.Empty, "reason", "too_large"u8, ignored.TooLargeCount);
        WriteNumber(writer, MetricFamilies.IgnoredValues, LabelSet.Empty, "reason", "type"u8, ignored.TypeCount);
        WriteNumber(writer, MetricFamilies.IgnoredValues, LabelSet.Empty, "reason", "unlisted"u8, ignored.UnlistedCount);
        WriteNumber(writer, MetricFamilies.IgnoredValues, LabelSet.Empty, "reason", "unreadable"u8, ignored.UnreadableCount);
    }

    /// <summary>Writes what became of records for Kafka.</summary>
    public static void Write(PrometheusWriter writer, KafkaFigures figures)
    {
        writer.BeginFamily(MetricFamilies.KafkaRecords);
        WriteNumber(writer, MetricFamilies.KafkaRecords, LabelSet.Empty, "outcome", "delivered"u8, figures.Delivered);
        WriteNumber(writer, MetricFamilies.KafkaRecords, LabelSet.Empty, "outcome", "dropped"u8, figures.Dropped);
        writer.BeginFamily(MetricFamilies.KafkaWaiting);
        writer.BeginSample(MetricFamilies.KafkaWaiting.Name, "", LabelSet.Empty);
        writer.EndSample(figures.Waiting);
    }

    private static void WriteNumber(
        PrometheusWriter writer, MetricFamily family, LabelSet labels, string key, ReadOnlySpan<byte> value, long number)
    {
        writer.BeginSample(family.Name, "", labels, key, value);
        writer.EndSample(number);
    }

    private static LabelSet Labels(CanaryFigures arm) => LabelSet.Of(("canary", arm.Canary), ("endpoint", arm.Endpoint));

    private LabelSet Labels(EndpointStatistics endpoint) =>
        _labels.GetValue(endpoint, statistics => LabelSet.Of("endpoint", statistics.Key));

    /// <summary><c>BadRequest</c> becomes <c>bad_request</c>.</summary>
    private static string NameOf(EndpointOutcome outcome) => string.Concat(
        outcome.ToString().Select((letter, i) => char.IsAsciiLetterUpper(letter) && i > 0
            ? "_" + char.ToLowerInvariant(letter)
            : char.ToLowerInvariant(letter).ToString()));
}
