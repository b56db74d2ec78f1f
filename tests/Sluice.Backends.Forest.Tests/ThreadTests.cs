using System.Runtime.InteropServices;
using Sluice.Backends.Forest.Engine;

namespace Sluice.Backends.Forest.Tests;

/// <summary>Threads that share a batch change nothing in its results, and small batches stay on the caller's thread.</summary>
public sealed class ThreadTests
{
    [Theory]
    [InlineData("reg_squarederror", 1)]
    [InlineData("reg_squarederror", 255)]
    [InlineData("reg_squarederror", 8191)]
    [InlineData("multi_softprob_digits", 2999)]
    [InlineData("v34_vector_leaf_json", 60000)]
    public void Score_WithThreads_GivesTheSameBits(string name, int rowCount)
    {
        var golden = new GoldenForest("xgboost", name);
        var forest = golden.Read();
        var known = golden.Rows(forest.FeatureCount);
        var rows = Enumerable.Range(0, rowCount).SelectMany(i => known[i % known.Length]).Select(value => (float)value).ToArray();
        var (alone, shared) = (new float[rowCount * forest.OutputCount], new float[rowCount * forest.OutputCount]);
        new ForestEngine<float>(forest).Score(rows, forest.FeatureCount, alone);
        new ForestEngine<float>(forest, threads: 3).Score(rows, forest.FeatureCount, shared);
        Assert.True(MemoryMarshal.AsBytes<float>(alone).SequenceEqual(MemoryMarshal.AsBytes<float>(shared)));
    }

    [Fact]
    public void Score_OfASmallBatch_WakesNobody()
    {
        var golden = new GoldenForest("xgboost", "reg_squarederror");
        var forest = golden.Read();
        var engine = new ForestEngine<float>(forest, threads: 4);
        var (rows, scores) = (new float[64 * forest.FeatureCount], new float[64]);
        engine.Score(rows, forest.FeatureCount, scores);
        var before = GC.GetAllocatedBytesForCurrentThread();
        engine.Score(rows, forest.FeatureCount, scores);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
