using System.Numerics;
using Sluice.Backends.Forest.Engine;
using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Tests;

/// <summary>Compares a layout with the reference, bit for bit.</summary>
internal static class Layouts
{
    /// <summary>Scores all rows in blocks and one by one.</summary>
    /// <returns>False when this machine or forest has no such layout.</returns>
    public static bool Compare<T>(TreeEnsemble forest, string? kernel, double[][] rows)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        ForestEngine<T> engine;
        try
        {
            engine = new ForestEngine<T>(forest, kernel);
        }
        catch (ArgumentException)
        {
            return false;
        }

        var values = rows.SelectMany(row => row).Select(T.CreateTruncating).ToArray();
        var scores = new T[rows.Length * forest.OutputCount];
        engine.Score(values, forest.FeatureCount, scores);
        var leaves = new int[rows.Length * forest.Trees.Length];
        engine.FindLeaves(values, forest.FeatureCount, leaves);
        for (var i = 0; i < rows.Length; i++)
        {
            var row = Array.ConvertAll(rows[i], value => double.CreateTruncating(T.CreateTruncating(value)));
            ReferenceEvaluator.Normalise(forest, row);
            var expected = new double[forest.OutputCount];
            ReferenceEvaluator.Score(forest, row, 0, forest.Trees.Length, expected);
            var single = new T[forest.OutputCount];
            engine.Score(values.AsSpan(i * forest.FeatureCount, forest.FeatureCount), forest.FeatureCount, single);
            for (var j = 0; j < expected.Length; j++)
            {
                AssertSameBits(expected[j], scores[(i * expected.Length) + j], $"{engine.Kernel.Name}: row {i} of {rows.Length}, output {j}");
                AssertSameBits(expected[j], single[j], $"{engine.Kernel.Name}: row {i} alone, output {j}");
            }

            for (var tree = 0; tree < forest.Trees.Length; tree++)
            {
                var leaf = ReferenceEvaluator.Leaf(forest.Trees[tree], row);
                Assert.Equal(forest.Trees[tree].LeafIds?[leaf] ?? leaf, leaves[(i * forest.Trees.Length) + tree]);
            }
        }

        return true;
    }

    /// <summary>0 and -0 are equal as numbers.</summary>
    private static void AssertSameBits<T>(double expected, T actual, string place)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        // Single precision is widened without loss.
        var wide = double.CreateTruncating(actual);
        Assert.True(BitConverter.DoubleToInt64Bits(expected) == BitConverter.DoubleToInt64Bits(wide), $"{place}: {wide:R}, expected {expected:R}");
    }
}
