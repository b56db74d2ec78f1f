using System.Diagnostics;

namespace Sluice.Inference.Tests;

public sealed class ResponseStatisticsTests
{
    private static readonly long Millisecond = Stopwatch.Frequency / 1000;

    [Fact]
    public void Record_EachOutcome_CountsWhereItBelongs()
    {
        var statistics = new ResponseStatistics();
        statistics.Record(0, ResponseOutcome.Success, 2 * Millisecond, Millisecond);
        statistics.Record(0, ResponseOutcome.Success, 2 * Millisecond, Millisecond);
        statistics.Record(1, ResponseOutcome.Failure, 3 * Millisecond, -1);
        statistics.Record(2, ResponseOutcome.Empty, 4 * Millisecond, -1);
        statistics.Record(3, ResponseOutcome.Cancelled, 5 * Millisecond, -1);
        Assert.Equal(4, statistics.Count);
        Assert.Equal(new ResponseTotals(Of(2, 4), Of(2, 2), Of(2, 6), default, default, default), statistics[0]);
        Assert.Equal(new ResponseTotals(Of(1, 3), default, default, Of(1, 3), default, default), statistics[1]);
        Assert.Equal(new ResponseTotals(Of(1, 4), default, default, default, Of(1, 4), default), statistics[2]);
        Assert.Equal(new ResponseTotals(default, default, default, default, default, Of(1, 5)), statistics[3]);
    }

    [Fact]
    public void Record_PlacesPastTheBound_AreNotKept()
    {
        var statistics = new ResponseStatistics();
        statistics.Record(ResponseStatistics.MaxRows, ResponseOutcome.Success, 1, 1);
        statistics.Record(int.MaxValue, ResponseOutcome.Success, 1, 1);
        Assert.Equal(0, statistics.Count);
        statistics.Record(ResponseStatistics.MaxRows - 1, ResponseOutcome.Success, 1, 1);
        Assert.Equal(ResponseStatistics.MaxRows, statistics.Count);
    }

    [Fact]
    public async Task Record_FromManyThreads_LosesNothing()
    {
        var statistics = new ResponseStatistics();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 1000; i++)
                statistics.Record(i, ResponseOutcome.Success, 0, 0);
        })));
        Assert.All(Enumerable.Range(0, 1000), i => Assert.Equal(8, statistics[i].Success.Count));
    }

    private static DurationTotal Of(long count, long milliseconds) => new(count, milliseconds * 1_000_000);
}
