using System.Runtime.InteropServices;
using Sluice.Backends.Forest.Engine;
using Sluice.Backends.Forest.Trees;
using Sluice.Tensors;

namespace Sluice.Backends.Forest.Tests;

/// <summary>Every golden model gives what its own library gave.</summary>
public sealed class GoldenTests
{
    [Theory]
    [MemberData(nameof(GoldenForest.All), MemberType = typeof(GoldenForest))]
    public void Reference_OfAGoldenModel_GivesTheLibrarysResults(string engine, string name)
    {
        var golden = new GoldenForest(engine, name);
        var forest = golden.Read();
        var rows = golden.Rows(forest.FeatureCount);
        foreach (var row in rows)
            ReferenceEvaluator.Normalise(forest, row);
        foreach (var expected in golden.Outputs)
        {
            var (actual, type) = expected.File.Contains("leaf", StringComparison.Ordinal)
                ? (Leaves(forest, rows), DataType.Int32)
                : (Scores(forest, rows, expected), forest.IsDouble ? DataType.Fp64 : DataType.Fp32);
            Assert.Null(golden.FindDifference(expected, actual, type));
        }
    }

    [Theory]
    [MemberData(nameof(GoldenForest.All), MemberType = typeof(GoldenForest))]
    public void EveryLayout_OfAGoldenModel_IsBitForBitTheReference(string engine, string name)
    {
        var golden = new GoldenForest(engine, name);
        var forest = golden.Read();
        foreach (var kernel in (string?[])[null, "turns", "8-bit", "16-bit"])
        {
            if (forest.IsDouble)
                Layouts.Compare<double>(forest, kernel, golden.Rows(forest.FeatureCount));
            else
                Layouts.Compare<float>(forest, kernel, golden.Rows(forest.FeatureCount));
        }
    }

    private static byte[] Leaves(TreeEnsemble forest, double[][] rows)
    {
        var leaves = rows.SelectMany(row => forest.Trees.Select(tree =>
        {
            var leaf = ReferenceEvaluator.Leaf(tree, row);
            return tree.LeafIds?[leaf] ?? leaf;
        }));
        return MemoryMarshal.AsBytes<int>(leaves.ToArray()).ToArray();
    }

    private static byte[] Scores(TreeEnsemble forest, double[][] rows, GoldenForest.Expected expected)
    {
        var isRaw = expected.File.Contains("raw", StringComparison.Ordinal) || expected.File.Contains("margin", StringComparison.Ordinal);
        var (from, to) = expected.Rounds ?? (0, forest.RoundStarts.Length - 1);
        var result = new List<double>();
        foreach (var row in rows)
        {
            var score = new double[forest.OutputCount];
            ReferenceEvaluator.Score(forest, row, forest.RoundStarts[from], forest.RoundStarts[to], score);
            result.AddRange(isRaw ? score : Transformed(forest, score, to - from));
        }

        return forest.IsDouble
            ? MemoryMarshal.AsBytes<double>(result.ToArray()).ToArray()
            : MemoryMarshal.AsBytes<float>(result.ConvertAll(value => (float)value).ToArray()).ToArray();
    }

    private static double[] Transformed(TreeEnsemble forest, double[] score, int rounds)
    {
        if (forest.IsDouble)
        {
            if (forest.AveragesRounds)
                score = Array.ConvertAll(score, value => value / rounds);
            forest.Transform.Apply(score);
        }
        else
        {
            var row = Array.ConvertAll(score, value => (float)value);
            forest.Transform.Apply(row);
            score = Array.ConvertAll(row, value => (double)value);
        }

        return score[..forest.Transform.Width(score.Length)];
    }
}
