using Sluice.Inference;

namespace Sluice.Statistics.Prometheus;

/// <summary>Writes a latency histogram with few buckets.</summary>
/// <remarks>
/// The usual bounds are upper bounds of the histogram's own buckets, just under each power of two from 16 µs to 17 s, so the
/// cumulated counts are exact: a round bound such as 0.001 would fall inside a bucket.
/// </remarks>
internal static class HistogramText
{
    private const int FirstPower = 14;
    private const int LastPower = 34;

    private static readonly BucketBounds Usual =
        BucketBounds.Seconds(Enumerable.Range(FirstPower, LastPower - FirstPower + 1).Select(power => ((1L << power) - 1) / 1e9m));

    // The original's, of the time to the first response (spec §4).
    private static readonly BucketBounds FirstResponse = BucketBounds.Milliseconds([100, 500, 2000, 5000]);

    /// <summary>Writes a histogram in seconds.</summary>
    /// <param name="writer">The page.</param>
    /// <param name="family">The family, begun.</param>
    /// <param name="labels">The series' labels.</param>
    /// <param name="histogram">What was counted.</param>
    /// <param name="settings">The model, for bounds of its own; null = none.</param>
    public static void Write(
        PrometheusWriter writer, MetricFamily family, LabelSet labels, LatencyHistogram histogram, ModelSettings? settings = null) =>
        Write(writer, family, labels, histogram, BucketBounds.Of(settings, family, Usual));

    /// <summary>Writes the time to the first response, in milliseconds as the original does.</summary>
    public static void WriteFirstResponse(PrometheusWriter writer, LabelSet labels, LatencyHistogram histogram, ModelSettings settings) =>
        Write(writer, MetricFamilies.FirstResponse, labels, histogram, BucketBounds.Of(settings, MetricFamilies.FirstResponse, FirstResponse));

    private static void Write(
        PrometheusWriter writer, MetricFamily family, LabelSet labels, LatencyHistogram histogram, BucketBounds bounds)
    {
        var bucket = 0;
        long count = 0;
        foreach (var (bound, text) in bounds.All)
        {
            for (; bucket < histogram.BucketCount && LatencyHistogram.UpperBound(bucket) <= bound; bucket++)
                count += histogram.CountAt(bucket);
            writer.BeginSample(family.Name, "_bucket", labels, "le", text);
            writer.EndSample(count);
        }

        for (; bucket < histogram.BucketCount; bucket++)
            count += histogram.CountAt(bucket);
        writer.BeginSample(family.Name, "_bucket", labels, "le", "+Inf"u8);
        writer.EndSample(count);
        writer.BeginSample(family.Name, "_sum", labels);
        writer.EndSample(histogram.SumNanoseconds / bounds.Unit);
        writer.BeginSample(family.Name, "_count", labels);
        writer.EndSample(count);
    }
}
