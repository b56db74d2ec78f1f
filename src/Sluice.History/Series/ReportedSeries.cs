using Sluice.History.Points;

namespace Sluice.History.Series;

/// <summary>Makes series by the rules of the serving calls (spec clearml §6.1), which stock callers know: no weights, gaps are zeros.</summary>
/// <remarks>An instance's value of an interval is the mean of its reports, for requests the most. The total is the sum or the mean of the
/// instances that reported in the interval. Intervals without a report are 0, for requests they are left out.</remarks>
public static class ReportedSeries
{
    /// <summary>Makes the series of one metric.</summary>
    public static MetricAnswer Compute(SeriesMetric metric, HistoryRange range, IReadOnlyList<InstancePoints> instances)
    {
        var joined = instances.Select(instance => instance.Join(range)).ToList();
        return new MetricAnswer(
            ValueSeries.Of("", range, index => Total(metric, [.. joined.Select(points => points[index]).OfType<HistoryPoint>()])),
            [.. instances.Select((instance, i) => ValueSeries.Of(instance.Id, range, index => Value(metric, joined[i][index])))]);
    }

    private static double? Total(SeriesMetric metric, List<HistoryPoint> points)
    {
        if (points.Count == 0)
            return metric.Gauge is null ? null : 0;
        var values = points.Select(point => Value(metric, point) ?? 0);
        return metric.Total == TotalRule.Sum ? values.Sum() : values.Average();
    }

    private static double? Value(SeriesMetric metric, HistoryPoint? point)
    {
        if (metric.Gauge is not { } gauge)
            return point is null || point.Requests < 0 ? null : point.Requests;
        return point is null || double.IsNaN(point[gauge]) ? 0 : point[gauge] * metric.Scale;
    }
}
