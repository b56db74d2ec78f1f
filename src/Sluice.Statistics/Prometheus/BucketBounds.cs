using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Sluice.Inference;

namespace Sluice.Statistics.Prometheus;

/// <summary>Upper bounds of a latency histogram as it is shown, rendered once.</summary>
/// <remarks>
/// Bounds that are none of the underlying histogram's fall inside its buckets: a value up to an eighth below one then counts as above it.
/// </remarks>
internal sealed class BucketBounds
{
    private const double NanosecondsPerMillisecond = 1e6;
    private const double NanosecondsPerSecond = 1e9;

    private static readonly ConditionalWeakTable<ModelSettings, Dictionary<string, BucketBounds>> Configured = [];

    private readonly (long Nanoseconds, byte[] Text)[] _bounds;

    private BucketBounds(IEnumerable<decimal> bounds, double unit)
    {
        Unit = unit;
        _bounds = [.. bounds.Select(bound => (
            (long)Math.Min(bound * (decimal)unit, long.MaxValue), Encoding.ASCII.GetBytes(bound.ToString(CultureInfo.InvariantCulture))))];
    }

    /// <summary>Nanoseconds in one unit of the family.</summary>
    public double Unit { get; }

    /// <summary>Finite bounds, ascending.</summary>
    public ReadOnlySpan<(long Nanoseconds, byte[] Text)> All => _bounds;

    /// <summary>Bounds in seconds.</summary>
    public static BucketBounds Seconds(IEnumerable<decimal> bounds) => new(bounds, NanosecondsPerSecond);

    /// <summary>Bounds in milliseconds.</summary>
    public static BucketBounds Milliseconds(IEnumerable<decimal> bounds) => new(bounds, NanosecondsPerMillisecond);

    /// <summary>The bounds that a model's configuration has for a family (spec §3.1, <c>model_metrics</c>), else the usual ones.</summary>
    public static BucketBounds Of(ModelSettings? settings, MetricFamily family, BucketBounds usual)
    {
        if (settings is null || settings.HistogramBounds.IsEmpty)
            return usual;
        var bounds = Configured.GetValue(settings, static model => model.HistogramBounds.ToDictionary(
            pair => pair.Key,
            pair => new BucketBounds(
                pair.Value.Select(bound => (decimal)bound), pair.Key.EndsWith("_ms", StringComparison.Ordinal) ? NanosecondsPerMillisecond : NanosecondsPerSecond)));
        return bounds.GetValueOrDefault(family.Name, usual);
    }
}
