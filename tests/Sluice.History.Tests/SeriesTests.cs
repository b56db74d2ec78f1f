using Sluice.History.Points;
using Sluice.History.Series;

namespace Sluice.History.Tests;

/// <summary>From points to answers: the serving calls' rules, the page's, and which resolution answers what.</summary>
public sealed class SeriesTests
{
    private const long Interval = 40_000;

    // At a multiple of the interval.
    private const long Begin = 1_700_000_000_000 / Interval * Interval;

    [Theory]
    [InlineData("requests", 300, 250, 550)]
    [InlineData("requests_min", 15, 40, 55)]
    [InlineData("latency_ms", 15, 40, 27.5)]
    [InlineData("cpu_count", 15, 40, 55)]
    [InlineData("cpu_util", 15, 40, 27.5)]
    [InlineData("gpu_util", 15, 40, 27.5)]
    [InlineData("ram_used", 0.01, 0.04, 0.05)]
    [InlineData("network_rx", 15, 40, 55)]
    public void Reports_OfAnInterval_AreAMean_AndInstancesTheirSumOrMean(string name, double first, double second, double total)
    {
        var instances = new[]
        {
            new InstancePoints("a", [Point(0, 10, 200), Point(39_999, 20, 300)]),
            new InstancePoints("b", [Point(5, 40, 250)]),
        };
        var answer = ReportedSeries.Compute(SeriesMetric.Find(name)!, Range(0, Interval), instances);
        Assert.Equal([Begin], answer.Total.Times);
        Assert.Equal([total], answer.Total.Values);
        Assert.Equal([("a", first), ("b", second)], answer.Instances.Select(series => (series.Instance, series.Values[0])));
    }

    [Fact]
    public void Intervals_WithoutReports_AreZero_AndForRequestsLeftOut()
    {
        var instances = new[] { new InstancePoints("a", [Point(0, 10, 100), Point(80_000, 30, 300)]), new InstancePoints("b", [Point(80_000, 50, 500)]) };
        var rates = ReportedSeries.Compute(SeriesMetric.Find("requests_min")!, Range(0, 3 * Interval), instances);
        Assert.Equal([10, 0, 80], rates.Total.Values);
        Assert.Equal([0, 0, 50], rates.Instances[1].Values);
        var requests = ReportedSeries.Compute(SeriesMetric.Find("requests")!, Range(0, 3 * Interval), instances);
        Assert.Equal([Begin, Begin + 80_000], requests.Total.Times);
        Assert.Equal([100, 800], requests.Total.Values);
        Assert.Equal([500], requests.Instances[1].Values);
    }

    [Fact]
    public void Instances_WithoutAGauge_CountAsZero_InMeansToo()
    {
        var without = Point(0, 10, 1) with { Gauges = HistoryPoint.NoGauges() };
        var instances = new[] { new InstancePoints("a", [Point(0, 30, 1)]), new InstancePoints("b", [without]) };
        Assert.Equal([15], ReportedSeries.Compute(SeriesMetric.Find("cpu_util")!, Range(0, Interval), instances).Total.Values);
    }

    [Theory]
    [InlineData(0, 39_999, 1)]
    [InlineData(0, 36_000, 1)]
    [InlineData(0, 35_999, 0)]
    [InlineData(0, 76_000, 2)]
    [InlineData(0, 75_999, 1)]
    [InlineData(39_999, 76_000, 2)]
    [InlineData(40_000, 76_000, 1)]
    public void LastInterval_CountsWhenNineTenthsAreOver(long from, long to, int count) => Assert.Equal(count, Range(from, to).Count);

    [Fact]
    public void Points_OutsideOfTheQuestion_DoNotCount()
    {
        var instances = new[] { new InstancePoints("a", [Point(9_999, 1, 1), Point(10_000, 10, 1), Point(39_999, 30, 1), Point(40_000, 500, 1)]) };
        Assert.Equal([20], ReportedSeries.Compute(SeriesMetric.Find("cpu_util")!, Range(10_000, 39_999), instances).Total.Values);
    }

    [Fact]
    public void Latency_IsWeightedByRequests_AndQuantilesAreOfAllTogether()
    {
        var slow = Counted(0, ok: 1, failed: 1, milliseconds: 100);
        var fast = Counted(10, ok: 99, failed: 0, milliseconds: 1);
        var instances = new[] { new InstancePoints("a", [slow]), new InstancePoints("b", [fast]) };
        var range = Range(0, Interval);
        Assert.Equal([1.99], CountedSeries.Latency(range, instances).Total.Values);
        Assert.Equal([100], CountedSeries.Latency(range, instances).Instances[0].Values);
        Assert.InRange(CountedSeries.Quantile(range, instances, 0.5).Total.Values[0], 1, 1.13);
        Assert.InRange(CountedSeries.Quantile(range, instances, 0.99).Total.Values[0], 1, 1.13);
        Assert.InRange(CountedSeries.Quantile(range, instances, 0.999).Total.Values[0], 100, 113);
        Assert.Equal([0.0099], CountedSeries.ErrorRate(range, instances).Total.Values);
        Assert.Equal([0.5, 0], CountedSeries.ErrorRate(range, instances).Instances.Select(series => series.Values[0]));
        Assert.Equal([1.5], CountedSeries.FailuresPerMinute(range, instances).Total.Values);
    }

    [Fact]
    public void Latency_OfOthersReports_IsWeightedByTheirRequestsPerMinute()
    {
        var instances = new[] { new InstancePoints("a", [Reported(10, 100)]), new InstancePoints("b", [Reported(30, 20)]), new InstancePoints("c", [Reported(0, 0)]) };
        Assert.Equal([40], CountedSeries.Latency(Range(0, Interval), instances).Total.Values);
        Assert.Equal([25], CountedSeries.Latency(Range(0, Interval), [new InstancePoints("a", [Reported(double.NaN, 25)])]).Total.Values);
    }

    [Fact]
    public void HeatMap_HasARowPerDoubling_AndAColumnPerIntervalWithRequests()
    {
        var instances = new[]
        {
            new InstancePoints("a", [Counted(0, 5, 0, 1), Counted(1, 3, 0, 9), Counted(80_000, 2, 0, 1)]),
            new InstancePoints("b", [Counted(3, 1, 0, 1)]),
        };
        var (bounds, columns) = CountedSeries.HeatMap(Range(0, 3 * Interval), instances);
        Assert.Equal([1.048576, 2.097152, 4.194304, 8.388608, 16.777216], bounds);
        Assert.Equal([Begin, Begin + 80_000], columns.Select(column => column.Time));
        Assert.Equal([6, 0, 0, 0, 3], columns[0].Counts);
        Assert.Equal([2, 0, 0, 0, 0], columns[1].Counts);
    }

    [Fact]
    public void Batches_AreBarsPerDoubling() => Assert.Equal(
        [(2, 3), (4, 0), (8, 5)],
        CountedSeries.BatchBars([new BucketCount(1, 3), new BucketCount(3, 5)]).Select(bar => ((int)bar.UpperBound, (int)bar.Count)));

    [Theory]
    [InlineData(3, 43, 0, 43)]
    [InlineData(6, 86, 0, 86)]
    [InlineData(12, 1, 0, 40)]
    [InlineData(24, 346, 0, 346)]
    [InlineData(24, 700, 1, 900)]
    [InlineData(7 * 24, 2419, 1, 2700)]
    [InlineData(7 * 24, 1, 1, 600)]
    [InlineData(30 * 24, 10_368, 2, 10_800)]
    [InlineData(30 * 24, 1, 2, 3600)]
    [InlineData(3650 * 24, 1, 2, 158_400)]
    public void Spans_OfThePage_HaveTheirResolution(int hours, int interval, int tier, int answered)
    {
        var now = DateTimeOffset.FromUnixTimeMilliseconds(Begin);
        var (chosen, given) = new HistoryTiers(TimeSpan.FromDays(31)).Choose(now.AddHours(-hours), now, now, TimeSpan.FromSeconds(interval));
        Assert.Equal((tier, answered), (chosen.Number, (int)given.TotalSeconds));
    }

    private static HistoryRange Range(long from, long to) => new(Begin + from, Begin + to, Interval);

    private static HistoryPoint Point(long at, double gauge, long requests)
    {
        var gauges = new double[HistoryPoint.GaugeCount];
        Array.Fill(gauges, gauge);
        return new HistoryPoint { At = Begin + at, Gauges = gauges, Requests = requests };
    }

    private static HistoryPoint Reported(double perMinute, double latency)
    {
        var gauges = HistoryPoint.NoGauges();
        (gauges[(int)Gauge.RequestsMin], gauges[(int)Gauge.LatencyMs]) = (perMinute, latency);
        return new HistoryPoint { At = Begin, Gauges = gauges };
    }

    private static HistoryPoint Counted(long at, long ok, long failed, double milliseconds)
    {
        var histogram = new Inference.LatencyHistogram();
        histogram.Record((long)(milliseconds * 1e6), (int)ok);
        var buckets = Enumerable.Range(0, histogram.BucketCount).Select(i => new BucketCount(i, histogram.CountAt(i))).Where(bucket => bucket.Count > 0);
        return new HistoryPoint { At = Begin + at, Ok = ok, Failed = failed, Nanoseconds = (long)(ok * milliseconds * 1e6), Latency = [.. buckets] };
    }
}
