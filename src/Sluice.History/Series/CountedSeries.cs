using Sluice.History.Points;
using Sluice.Inference;

namespace Sluice.History.Series;

/// <summary>Makes what the page shows beyond the serving calls: times weighted by requests, quantiles, failures, heat maps, distributions.</summary>
public static class CountedSeries
{
    private const double NanosecondsPerMillisecond = 1e6;
    private const int BucketsPerDoubling = 8;

    // A report that says nothing of its requests counts only beside others that do not.
    private const double LeastWeight = 1e-9;

    /// <summary>Mean time in milliseconds, weighted by requests.</summary>
    public static MetricAnswer Latency(HistoryRange range, IReadOnlyList<InstancePoints> instances) => Compute(range, instances, MeanLatency);

    /// <summary>Time in milliseconds below which a share of the requests ended.</summary>
    public static MetricAnswer Quantile(HistoryRange range, IReadOnlyList<InstancePoints> instances, double quantile) => Compute(
        range, instances, points => QuantileMilliseconds(points.Select(point => point.Latency).Aggregate(BucketCounts.Add), quantile));

    /// <summary>Share of requests that failed.</summary>
    public static MetricAnswer ErrorRate(HistoryRange range, IReadOnlyList<InstancePoints> instances) => Compute(
        range, instances, points => Share(points.Sum(point => point.Failed), points.Sum(point => point.Ok)));

    /// <summary>Requests that failed, per minute.</summary>
    public static MetricAnswer FailuresPerMinute(HistoryRange range, IReadOnlyList<InstancePoints> instances) => Compute(
        range, instances, points => points.Sum(point => point.Failed) * 60_000.0 / range.IntervalMilliseconds);

    /// <summary>Joins all points into one; null when there is none.</summary>
    public static HistoryPoint? Sum(HistoryRange range, IReadOnlyList<InstancePoints> instances)
    {
        var points = instances.SelectMany(instance => instance.Points)
            .Where(point => point.At >= range.FromMilliseconds && point.At <= range.ToMilliseconds).ToList();
        return points.Count == 0 ? null : HistoryPoint.Join(range.FromMilliseconds, points);
    }

    /// <summary>Counts requests by interval and by doublings of their time.</summary>
    /// <returns>The doublings that occur, as upper bounds in milliseconds, and per interval with requests their counts.</returns>
    public static (IReadOnlyList<double> UpperBounds, IReadOnlyList<(long Time, double[] Counts)> Columns) HeatMap(
        HistoryRange range, IReadOnlyList<InstancePoints> instances)
    {
        var joined = instances.Select(instance => instance.Join(range)).ToList();
        var columns = new List<(long Time, IReadOnlyList<BucketCount> Rows)>();
        for (var i = 0; i < range.Count; i++)
        {
            var buckets = joined.Select(points => points[i]?.Latency ?? []).Aggregate((IReadOnlyList<BucketCount>)[], BucketCounts.Add);
            if (buckets.Count > 0)
                columns.Add((range.Time(i), Doublings(buckets)));
        }

        if (columns.Count == 0)
            return ([], []);
        var lowest = columns.Min(column => column.Rows[0].Index);
        var highest = columns.Max(column => column.Rows[^1].Index);
        return (
            [.. Enumerable.Range(lowest, highest - lowest + 1).Select(row => UpperMilliseconds(UpperBoundOfDoubling(row)))],
            [.. columns.Select(column => (column.Time, Spread(column.Rows, lowest, highest)))]);
    }

    /// <summary>Returns the time in milliseconds below which a share of requests ended; 0 when there are none.</summary>
    public static double QuantileMilliseconds(IReadOnlyList<BucketCount> buckets, double quantile) =>
        BucketCounts.Quantile(buckets, quantile, LatencyHistogram.UpperBound) / NanosecondsPerMillisecond;

    /// <summary>Share of failures among all; 0 when there are none.</summary>
    public static double Share(long failed, long ok) => failed == 0 ? 0 : (double)failed / (failed + ok);

    /// <summary>Turns buckets of times into bars with upper bounds in milliseconds, one per doubling.</summary>
    public static IEnumerable<(double UpperBound, double Count)> TimeBars(IReadOnlyList<BucketCount> buckets)
    {
        var rows = Doublings(buckets);
        return rows.Count == 0 ? [] : Bars(rows, row => UpperMilliseconds(UpperBoundOfDoubling(row)));
    }

    /// <summary>Turns executions by rows into bars, one per doubling.</summary>
    public static IEnumerable<(double UpperBound, double Count)> BatchBars(IReadOnlyList<BucketCount> buckets) =>
        buckets.Count == 0 ? [] : Bars(buckets, row => Math.ScaleB(1, row));

    private static IEnumerable<(double UpperBound, double Count)> Bars(IReadOnlyList<BucketCount> rows, Func<int, double> upperBound) =>
        Spread(rows, rows[0].Index, rows[^1].Index).Select((count, i) => (upperBound(rows[0].Index + i), count));

    private static double[] Spread(IReadOnlyList<BucketCount> rows, int lowest, int highest)
    {
        var counts = new double[highest - lowest + 1];
        foreach (var (index, count) in rows)
            counts[index - lowest] = count;
        return counts;
    }

    private static List<BucketCount> Doublings(IReadOnlyList<BucketCount> buckets) =>
        [.. buckets.GroupBy(bucket => bucket.Index / BucketsPerDoubling).Select(group => new BucketCount(group.Key, group.Sum(bucket => bucket.Count)))];

    private static long UpperBoundOfDoubling(int row) => LatencyHistogram.UpperBound((row * BucketsPerDoubling) + BucketsPerDoubling - 1);

    private static double UpperMilliseconds(long nanoseconds) => (nanoseconds + 1) / NanosecondsPerMillisecond;

    private static MetricAnswer Compute(
        HistoryRange range, IReadOnlyList<InstancePoints> instances, Func<IReadOnlyList<HistoryPoint>, double> value, int digits = 4)
    {
        var joined = instances.Select(instance => instance.Join(range)).ToList();
        return new MetricAnswer(
            Of("", index => [.. joined.Select(points => points[index]).OfType<HistoryPoint>()]),
            [.. instances.Select((instance, i) => Of(instance.Id, index => joined[i][index] is { } point ? [point] : []))]);

        ValueSeries Of(string instance, Func<int, HistoryPoint[]> select)
        {
            var values = Enumerable.Range(0, range.Count).Select(select)
                .Select(points => points.Length == 0 ? 0 : Math.Round(value(points), digits)).ToList();
            return new ValueSeries(instance, [.. Enumerable.Range(0, range.Count).Select(range.Time)], values);
        }
    }

    /// <summary>What others report has no times of single requests; there requests per minute weigh the means.</summary>
    private static double MeanLatency(IReadOnlyList<HistoryPoint> points)
    {
        double time = 0;
        double weight = 0;
        foreach (var point in points)
        {
            if (point.Ok > 0)
            {
                time += point.Nanoseconds / NanosecondsPerMillisecond;
                weight += point.Ok;
            }
            else if (point[Gauge.LatencyMs] > 0)
            {
                var requests = point[Gauge.RequestsMin] > 0 ? point[Gauge.RequestsMin] : LeastWeight;
                time += point[Gauge.LatencyMs] * requests;
                weight += requests;
            }
        }

        return weight > 0 ? time / weight : 0;
    }
}
