using System.Globalization;
using System.Text;
using Sluice.Inference;

namespace Sluice.Statistics.Prometheus;

/// <summary>Writes the time to the first response in the original's milliseconds and buckets (spec §4).</summary>
/// <remarks>The bounds fall inside buckets of the underlying histogram, so a value up to an eighth below one counts as above it.</remarks>
internal static class FirstResponseText
{
    private const long NanosecondsPerMillisecond = 1_000_000;

    private static readonly (long Milliseconds, byte[] Text)[] Bounds =
        [.. new long[] { 100, 500, 2000, 5000 }.Select(bound => (bound, Encoding.ASCII.GetBytes(bound.ToString(CultureInfo.InvariantCulture))))];

    public static void Write(PrometheusWriter writer, MetricFamily family, LabelSet labels, LatencyHistogram histogram)
    {
        var bucket = 0;
        long count = 0;
        foreach (var (bound, text) in Bounds)
        {
            for (; bucket < histogram.BucketCount && LatencyHistogram.UpperBound(bucket) <= bound * NanosecondsPerMillisecond; bucket++)
                count += histogram.CountAt(bucket);
            writer.BeginSample(family.Name, "_bucket", labels, "le", text);
            writer.EndSample(count);
        }

        for (; bucket < histogram.BucketCount; bucket++)
            count += histogram.CountAt(bucket);
        writer.BeginSample(family.Name, "_bucket", labels, "le", "+Inf"u8);
        writer.EndSample(count);
        writer.BeginSample(family.Name, "_sum", labels);
        writer.EndSample((double)histogram.SumNanoseconds / NanosecondsPerMillisecond);
        writer.BeginSample(family.Name, "_count", labels);
        writer.EndSample(count);
    }
}
