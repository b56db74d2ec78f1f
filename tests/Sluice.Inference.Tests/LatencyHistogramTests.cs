namespace Sluice.Inference.Tests;

public sealed class LatencyHistogramTests
{
    [Fact]
    public void Record_AnyValue_FallsIntoTheBucketWhoseBoundsHoldIt()
    {
        var random = new Random(7);
        for (var i = 0; i < 5000; i++)
        {
            var value = i < 2000 ? i : random.NextInt64(1L << random.Next(1, 49));
            var histogram = new LatencyHistogram();
            histogram.Record(value);
            var bucket = Enumerable.Range(0, histogram.BucketCount).Single(index => histogram.CountAt(index) == 1);
            var least = bucket == 0 ? 0 : LatencyHistogram.UpperBound(bucket - 1) + 1;
            Assert.InRange(value, least, LatencyHistogram.UpperBound(bucket));
            Assert.Equal(value, histogram.SumNanoseconds);
        }
    }

    [Fact]
    public void UpperBound_Grows_ByAtMostAnEighth()
    {
        var histogram = new LatencyHistogram();
        for (var bucket = 1; bucket < histogram.BucketCount; bucket++)
        {
            var (below, bound) = (LatencyHistogram.UpperBound(bucket - 1), LatencyHistogram.UpperBound(bucket));
            Assert.True(bound > below);
            Assert.True(bucket < 16 || bound <= (below + 1) * 1.125, $"bucket {bucket}");
        }
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    [InlineData(0.99)]
    [InlineData(1.0)]
    public void Quantile_ManyValues_IsNeverTooSmallAndAtMostAnEighthTooLarge(double quantile)
    {
        var random = new Random(11);
        var histogram = new LatencyHistogram();
        var values = Enumerable.Range(0, 10_000).Select(_ => (long)Math.Exp(random.NextDouble() * 20)).Order().ToArray();
        foreach (var value in values)
            histogram.Record(value);
        var exact = values[Math.Max(0, (int)Math.Ceiling(quantile * values.Length) - 1)];
        Assert.InRange(histogram.Quantile(quantile), exact, (long)(exact * 1.125) + 1);
    }

    [Fact]
    public void Quantile_NothingRecorded_IsZero() => Assert.Equal(0, new LatencyHistogram().Quantile(0.99));

    [Fact]
    public void Record_NegativeAndHuge_AreKeptAtTheEnds()
    {
        var histogram = new LatencyHistogram();
        histogram.Record(-5);
        histogram.Record(long.MaxValue);
        Assert.Equal(1, histogram.CountAt(0));
        Assert.Equal(1, histogram.CountAt(histogram.BucketCount - 1));
    }
}
