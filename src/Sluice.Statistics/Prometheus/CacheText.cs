using Sluice.Inference;

namespace Sluice.Statistics.Prometheus;

/// <summary>Writes what the response cache did for the models that use it (spec §4).</summary>
internal static class CacheText
{
    /// <summary>Writes nothing at all when no model uses the cache.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="series">The models that use it.</param>
    /// <param name="summaries">Writes quantiles; null = not asked for.</param>
    /// <param name="hasTimes">Durations are wanted.</param>
    public static void Write(
        PrometheusWriter writer, (LabelSet Labels, ModelStatistics Statistics)[] series, SummaryText? summaries, bool hasTimes)
    {
        if (series.Length == 0)
            return;
        WriteNumbers(writer, MetricFamilies.CacheHits, series, model => model.CacheHit.Count);
        WriteNumbers(writer, MetricFamilies.CacheMisses, series, model => model.CacheMiss.Count);
        if (hasTimes)
        {
            WriteNumbers(writer, MetricFamilies.CacheHitDuration, series, model => model.CacheHit.Nanoseconds / 1000);
            WriteNumbers(writer, MetricFamilies.CacheMissDuration, series, model => model.CacheMiss.Nanoseconds / 1000);
        }

        if (summaries is null)
            return;
        WriteSummary(writer, MetricFamilies.CacheHitSummary, series, summaries, stages => stages.CacheHit);
        WriteSummary(writer, MetricFamilies.CacheMissSummary, series, summaries, stages => stages.CacheMiss);
    }

    private static void WriteNumbers(
        PrometheusWriter writer, MetricFamily family, (LabelSet Labels, ModelStatistics Statistics)[] series,
        Func<ModelStatistics, long> read)
    {
        writer.BeginFamily(family);
        foreach (var (labels, statistics) in series)
        {
            writer.BeginSample(family.Name, "", labels);
            writer.EndSample(read(statistics));
        }
    }

    private static void WriteSummary(
        PrometheusWriter writer, MetricFamily family, (LabelSet Labels, ModelStatistics Statistics)[] series, SummaryText summaries,
        Func<StageLatencies, LatencyHistogram> read)
    {
        writer.BeginFamily(family);
        foreach (var (labels, statistics) in series)
        {
            if (statistics.Stages is { } stages)
                summaries.Write(writer, family, labels, read(stages));
        }
    }
}
