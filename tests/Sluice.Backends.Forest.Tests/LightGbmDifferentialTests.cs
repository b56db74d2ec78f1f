using System.Runtime.InteropServices;
using Sluice.Backends.Forest.Engine;
using Sluice.Backends.Forest.Formats;
using Sluice.Backends.Forest.Trees;
using Sluice.Testing;

namespace Sluice.Backends.Forest.Tests;

/// <summary>Random models of the real LightGBM give, bit for bit, what it gives; rows hold everything that is special.</summary>
/// <remarks>
/// <c>SLUICE_LIGHTGBM_PATH</c> is a folder with the <c>lightgbm</c> package; Debian has none, so that CI has the recorded models of the golden set alone.
/// </remarks>
public sealed class LightGbmDifferentialTests : IDisposable
{
    private readonly RandomModels _models = new(40);

    public void Dispose() => _models.Dispose();

    [LightGbmFact]
    public async Task EveryLayout_OfRandomModels_IsBitForBitTheLibrary()
    {
        await _models.TryMakeAsync("lightgbm_forests.py");
        Assert.Equal(_models.Count, _models.Folders.Length);
        foreach (var folder in _models.Folders)
        {
            var place = $"{folder} of seed {_models.Seed}";
            var forest = ForestFile.Read(Path.Combine(folder, "model.txt"));
            var rows = RandomModels.Read<double>(folder, "rows.npy").Chunk(forest.FeatureCount).ToArray();
            var raw = rows.SelectMany(row => Score(forest, row, 0, forest.RoundStarts.Length - 1)).ToArray();
            AssertSame(RandomModels.Read<double>(folder, "raw.npy"), raw, $"{place}, raw");
            var rounds = RandomModels.Read<int>(folder, "rounds.npy");
            AssertSame(RandomModels.Read<double>(folder, "part.npy"), [.. rows.SelectMany(row => Score(forest, row, rounds[0], rounds[0] + rounds[1]))], $"{place}, part");
            AssertNear(RandomModels.Read<double>(folder, "predicted.npy"), [.. raw.Chunk(forest.OutputCount).SelectMany(score => Finished(forest, score))], 1e-14, 0, $"{place}, predicted");
            if (File.Exists(Path.Combine(folder, "contributions.npy")))
                CompareContributions(forest, rows, RandomModels.Read<double>(folder, "contributions.npy"), place);
            var leaves = new int[rows.Length * forest.Trees.Length];
            new ForestEngine<double>(forest, null).FindLeaves([.. rows.SelectMany(row => row)], forest.FeatureCount, leaves);
            Assert.True(NpyFile.Read(Path.Combine(folder, "leaf.npy")).Data.AsSpan().SequenceEqual(MemoryMarshal.AsBytes<int>(leaves)), $"{place}, leaves");
            foreach (var kernel in (string?[])[null, "turns", "8-bit", "16-bit"])
                Layouts.Compare<double>(forest, kernel, rows);
        }
    }

    private static double[] Score(TreeEnsemble forest, double[] row, int from, int to)
    {
        var fit = row.ToArray();
        ReferenceEvaluator.Normalise(forest, fit);
        var score = new double[forest.OutputCount];
        ReferenceEvaluator.Score(forest, fit, forest.RoundStarts[from], forest.RoundStarts[to], score);
        return score;
    }

    private static double[] Finished(TreeEnsemble forest, double[] score)
    {
        var result = forest.AveragesRounds ? Array.ConvertAll(score, value => value / (forest.RoundStarts.Length - 1)) : [.. score];
        forest.Transform.Apply(result);
        return result[..forest.Transform.Width(result.Length)];
    }

    private static void CompareContributions(TreeEnsemble forest, double[][] rows, double[] expected, string place)
    {
        var contributions = new Contributions(forest);
        var values = new double[contributions.Width];

        // Those of a feature may cancel each other.
        var scale = forest.Trees.Max(tree => tree.LeafValues.Max(Math.Abs));
        for (var row = 0; row < rows.Length; row++)
        {
            var fit = rows[row].ToArray();
            ReferenceEvaluator.Normalise(forest, fit);
            contributions.Find(fit, values);
            AssertNear(expected[(row * values.Length)..((row + 1) * values.Length)], values, 1e-9, scale, $"{place}, contributions of row {row}");
        }
    }

    private static void AssertSame(double[] expected, double[] actual, string place) => AssertNear(expected, actual, 0, 0, place);

    /// <summary>The tolerance is of a value itself, or of the scale where that is larger.</summary>
    private static void AssertNear(double[] expected, double[] actual, double tolerance, double scale, string place)
    {
        Assert.True(expected.Length == actual.Length, $"{place}: {actual.Length} values, expected {expected.Length}");
        for (var i = 0; i < expected.Length; i++)
        {
            var isSame = expected[i].Equals(actual[i]) || Math.Abs(expected[i] - actual[i]) <= tolerance * Math.Max(scale, Math.Abs(expected[i]));
            Assert.True(isSame, $"{place}, value {i}: {actual[i]:R}, expected {expected[i]:R}");
        }
    }

    /// <summary>A test that runs only where somebody has brought the library.</summary>
    private sealed class LightGbmFactAttribute : FactAttribute
    {
        public LightGbmFactAttribute()
        {
            if (Environment.GetEnvironmentVariable("SLUICE_LIGHTGBM_PATH") is null)
                Skip = "SLUICE_LIGHTGBM_PATH names no folder with the lightgbm package";
        }
    }
}
