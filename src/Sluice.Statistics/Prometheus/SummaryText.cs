using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Sluice.Inference;

namespace Sluice.Statistics.Prometheus;

/// <summary>Writes a latency histogram as a summary in microseconds: quantiles since the model was loaded, sum and count.</summary>
internal sealed class SummaryText(ImmutableArray<double> quantiles)
{
    private const double NanosecondsPerMicrosecond = 1000;

    private readonly (double Quantile, byte[] Text)[] _quantiles =
        [.. quantiles.Select(quantile => (quantile, Encoding.ASCII.GetBytes(quantile.ToString(CultureInfo.InvariantCulture))))];

    public void Write(PrometheusWriter writer, MetricFamily family, LabelSet labels, LatencyHistogram histogram)
    {
        var count = histogram.Count;
        foreach (var (quantile, text) in _quantiles)
        {
            writer.BeginSample(family.Name, "", labels, "quantile", text);
            writer.EndSample(count == 0 ? double.NaN : histogram.Quantile(quantile) / NanosecondsPerMicrosecond);
        }

        writer.BeginSample(family.Name, "_sum", labels);
        writer.EndSample(histogram.SumNanoseconds / NanosecondsPerMicrosecond);
        writer.BeginSample(family.Name, "_count", labels);
        writer.EndSample(count);
    }
}
