using Sluice.Backends.Forest.Engine;
using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Tests;

/// <summary>Each layout gives the bits of the reference, for forests at the edges of what it can take.</summary>
public sealed class LayoutTests
{
    private const string Heap8 = "63 nodes at once, 8-bit ranks";
    private const string Heap16 = "63 nodes at once, 16-bit ranks";
    private const string Blocks = "63 + 3 nodes at once, 8-bit ranks";

    [Theory]
    [InlineData(1, 1, 1, 1, Heap8)]
    [InlineData(100, 6, 10, 20, Heap8)]
    [InlineData(20, 6, 3, 255, Heap8)]
    [InlineData(20, 6, 3, 256, Heap8)]
    [InlineData(31, 6, 64, 4, Heap8)]
    [InlineData(32, 6, 65, 4, Heap8)]
    [InlineData(33, 6, 128, 4, Heap8)]
    [InlineData(33, 6, 129, 4, null)]
    [InlineData(65, 7, 10, 40, Blocks)]
    [InlineData(64, 8, 10, 255, Blocks)]
    [InlineData(129, 8, 20, 600, Blocks)]
    [InlineData(150, 8, 64, 256, Blocks)]
    [InlineData(190, 8, 64, 511, Heap16)]
    [InlineData(64, 9, 10, 40, Heap8)]
    [InlineData(30, 10, 70, 20, Heap8)]
    [InlineData(30, 14, 10, 40, Heap8)]
    public void EveryLayout_OfARandomForest_IsBitForBitTheReference(int trees, int depth, int features, int thresholds, string? fastest)
    {
        foreach (var isDouble in (bool[])[false, true])
        {
            var random = new Random((trees * 1000) + depth);
            var forest = Forest(random, trees, depth, features, thresholds, isDouble, leafShare: depth > 8 ? 0.3 : 0.05);
            foreach (var withMissing in (bool[])[false, true])
            {
                // A block of rows, and another of an odd number.
                var rows = Rows(random, forest, ForestEngine.BlockRows + 3, withMissing);
                if (isDouble)
                    Compare<double>(forest, rows, fastest);
                else
                    Compare<float>(forest, rows, fastest);
            }
        }
    }

    /// <summary>With sums for several outputs, and leaves that hold a value for each; leaves and starts of both zeros.</summary>
    [Theory]
    [InlineData(1, 6, 3, false, Heap8)]
    [InlineData(7, 6, 3, false, Heap8)]
    [InlineData(33, 6, 3, false, Heap8)]
    [InlineData(71, 6, 3, false, Heap8)]
    [InlineData(9, 8, 3, false, Blocks)]
    [InlineData(67, 8, 3, false, Blocks)]
    [InlineData(65, 9, 3, false, Heap8)]
    [InlineData(1, 6, 3, true, Heap8)]
    [InlineData(39, 6, 3, true, Heap8)]
    [InlineData(73, 6, 11, true, Heap8)]
    [InlineData(13, 8, 3, true, Blocks)]
    [InlineData(69, 8, 11, true, Blocks)]
    [InlineData(66, 9, 3, true, Heap8)]
    public void EveryLayout_OfSeveralOutputs_IsBitForBitTheReference(int trees, int depth, int outputs, bool hasVectors, string fastest)
    {
        foreach (var isDouble in (bool[])[false, true])
        {
            var random = new Random((trees * 1000) + depth);
            var forest = Forest(random, trees, depth, 5, 6, isDouble, leafShare: 0.05, outputs, hasVectors) with
            {
                BaseMargin = [.. Enumerable.Range(0, outputs).Select(output => (output % 3) switch { 0 => -0.0, 1 => 0.0, _ => 0.5 })],
            };
            foreach (var withMissing in (bool[])[false, true])
            {
                var rows = Rows(random, forest, ForestEngine.BlockRows + 1, withMissing);
                if (isDouble)
                    Compare<double>(forest, rows, fastest);
                else
                    Compare<float>(forest, rows, fastest);
            }
        }
    }

    /// <summary>Blocks are of one size, so that sparse trees would take more memory than their file.</summary>
    [Fact]
    public void Layout_OfSparseTrees_HasNoBlocks()
    {
        var random = new Random(1);
        var forest = Forest(random, 50, 8, 10, 4, isDouble: false, leafShare: 0.5);
        Assert.Equal(8, forest.Trees.Max(tree => tree.Depth));
        Compare<float>(forest, Rows(random, forest, 9, withMissing: true), Heap8);
    }

    /// <summary>The layouts of a million stumps would take gigabytes.</summary>
    [Fact]
    public void Layout_OfMoreTreesThanItTakes_IsTheWalk()
    {
        var stump = Forest(new Random(1), 1, 1, 1, 1, isDouble: false, leafShare: 0).Trees[0];
        var forest = Ensemble([.. Enumerable.Repeat(stump, HeapForest<byte>.MaxTrees + 1)], 1, isDouble: false);
        Assert.Equal("four trees in turns", new ForestEngine<float>(forest).Kernel.Name);
    }

    private static void Compare<T>(TreeEnsemble forest, double[][] rows, string? fastest)
        where T : unmanaged, System.Numerics.IBinaryFloatingPointIeee754<T>
    {
        Assert.True(Layouts.Compare<T>(forest, "turns", rows));
        foreach (var name in (string[])[Heap8, Blocks, Heap16])
        {
            var isKnown = Layouts.Compare<T>(forest, name, rows);
            if (PermuteKernel<T, byte>.IsSupported && name == fastest)
                Assert.True(isKnown, name);
            if (name != Heap16)
                Assert.True(!isKnown || name == fastest, name);
        }

        if (PermuteKernel<T, ushort>.IsSupported && fastest is Heap8 or Blocks && forest.FeatureCount <= 64)
            Assert.True(Layouts.Compare<T>(forest, Heap16, rows));
    }

    private static double Leaf(Random random) => random.Next(4) switch
    {
        0 => -0.0,
        1 => 0.0,
        _ => (float)(random.NextDouble() - 0.5),
    };

    /// <summary>Trees that among them compare every feature with each of its thresholds.</summary>
    private static TreeEnsemble Forest(Random random, int count, int depth, int features, int thresholds, bool isDouble, double leafShare, int outputs = 1, bool hasVectors = false)
    {
        var pairs = Enumerable.Range(0, features * thresholds).ToArray();
        random.Shuffle(pairs);
        var next = 0;
        var width = hasVectors ? outputs : 1;
        var trees = new ForestTree[count];
        for (var tree = 0; tree < count; tree++)
        {
            List<int> column = [], left = [], right = [];
            List<double> threshold = [], leaves = [];
            int Add(int level)
            {
                if (level == depth || (level > 0 && random.NextDouble() < leafShare))
                {
                    for (var i = 0; i < width; i++)
                        leaves.Add(Leaf(random));
                    return ~((leaves.Count / width) - 1);
                }

                var node = column.Count;
                var pair = pairs[next++ % pairs.Length];
                column.Add(pair % features);
                threshold.Add((float)(pair / features) / 8);
                left.Add(0);
                right.Add(0);
                left[node] = Add(level + 1);
                right[node] = Add(level + 1);
                return node;
            }

            var root = Add(0);
            trees[tree] = new ForestTree
            {
                Root = root,
                Features = [.. column],
                Thresholds = [.. threshold],
                Left = [.. left],
                Right = [.. right],
                DefaultLeft = [.. column.Select(_ => random.Next(2) == 0)],
                LeafValues = [.. leaves],
                LeafWidth = width,
                Output = hasVectors ? 0 : tree % outputs,
            };
        }

        Assert.True(next >= pairs.Length, $"{next} nodes for {pairs.Length} thresholds");
        return Ensemble(trees, features, isDouble, outputs);
    }

    private static TreeEnsemble Ensemble(ForestTree[] trees, int features, bool isDouble, int outputs = 1) => new()
    {
        Source = "a test",
        FeatureCount = features,
        OutputCount = outputs,
        Trees = trees,
        RoundStarts = TreeEnsemble.EqualRounds(trees, 1),
        BaseMargin = [.. Enumerable.Repeat(0.5, outputs)],
        IsDouble = isDouble,
        Transform = Transform.Identity,
    };

    private static double[][] Rows(Random random, TreeEnsemble forest, int count, bool withMissing)
    {
        var most = forest.Trees.Max(tree => tree.Thresholds.DefaultIfEmpty().Max());
        double Value()
        {
            var near = (float)(random.Next(-8, (int)(most * 8) + 8) / 8.0);
            return random.Next(withMissing ? 8 : 7) switch
            {
                0 => float.BitIncrement(near),
                1 => float.BitDecrement(near),
                2 when random.Next(8) == 0 => random.Next(2) == 0 ? double.PositiveInfinity : double.NegativeInfinity,
                7 => double.NaN,
                _ => near,
            };
        }

        return [.. Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, forest.FeatureCount).Select(_ => Value()).ToArray())];
    }
}
