using Sluice.Load.Measuring;

namespace Sluice.Load.Tests;

/// <summary>Percentiles are those of the values, to the precision that is promised.</summary>
public sealed class LoadHistogramTests
{
    [Theory]
    [InlineData(0.5)]
    [InlineData(0.9)]
    [InlineData(0.99)]
    [InlineData(0.999)]
    [InlineData(1)]
    public void Percentile_OfManyScales_IsThatOfTheSortedValuesToWithinOneIn128(double share)
    {
        var random = new Random(11);
        var values = Enumerable.Range(0, 20_000).Select(_ => (long)Math.Exp(random.NextDouble() * 30)).Order().ToArray();
        var histogram = new LoadHistogram();
        foreach (var value in values)
            histogram.Record(value);

        var exact = Math.Max(1, values[(int)Math.Ceiling(share * values.Length) - 1]) / 1000.0;
        Assert.InRange(histogram.PercentileMicroseconds(share), exact, exact * (1 + (1.0 / 128)));
    }

    [Fact]
    public void Percentile_OfNothing_IsZero() => Assert.Equal(0, new LoadHistogram().PercentileMicroseconds(0.5));

    [Fact]
    public void Add_OfAnother_HasBoth()
    {
        var one = new LoadHistogram();
        var other = new LoadHistogram();
        one.Record(1_000);
        other.Record(3_000_000);
        other.Record(0);
        one.Add(other);
        Assert.Equal(3, one.Count);
        Assert.Equal(3_001_001, one.SumNanoseconds);
        Assert.Equal(3_000_000, one.MaxNanoseconds);
        Assert.InRange(one.PercentileMicroseconds(0.5), 1, 1.008);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(long.MaxValue / 2)]
    public void Record_AtAnEdge_IsItsOwnPercentile(long value)
    {
        var histogram = new LoadHistogram();
        histogram.Record(value);
        Assert.Equal(value / 1000.0, histogram.PercentileMicroseconds(0.5));
    }
}
