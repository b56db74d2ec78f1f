using System.Globalization;
using System.Text;
using Sluice.Inference;

namespace Sluice.Statistics.Prometheus;

/// <summary>Writes a latency histogram with few buckets.</summary>
/// <remarks>
/// The bounds are upper bounds of the histogram's own buckets, just under each power of two from 16 µs to 17 s, so the
/// cumulated counts are exact: a round bound such as 0.001 would fall inside a bucket.
/// </remarks>
internal static class HistogramText
{
    private const int FirstPower = 14;
    private const int LastPower = 34;
    private const double NanosecondsPerSecond = 1e9;

    private static readonly (long Nanoseconds, byte[] Text)[] Bounds =
    [
        .. Enumerable.Range(FirstPower, LastPower - FirstPower + 1).Select(power => (1L << power) - 1)
            .Select(bound => (bound, Encoding.ASCII.GetBytes(
                (bound / 1e9m).ToString(CultureInfo.InvariantCulture)))),
    ];

    public static void Write(PrometheusWriter writer, MetricFamily family, LabelSet labels, LatencyHistogram histogram)
    {
        var bucket = 0;
        long count = 0;
        foreach (var (bound, text) in Bounds)
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
        writer.EndSample(histogram.SumNanoseconds / NanosecondsPerSecond);
        writer.BeginSample(family.Name, "_count", labels);
        writer.EndSample(count);
    }
}
