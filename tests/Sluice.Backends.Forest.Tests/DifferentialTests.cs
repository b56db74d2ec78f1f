using System.Runtime.InteropServices;
using Sluice.Backends.Forest.Engine;
using Sluice.Backends.Forest.Formats;
using Sluice.Backends.Forest.Trees;
using Sluice.Testing;

namespace Sluice.Backends.Forest.Tests;

/// <summary>Random models of the real XGBoost give, bit for bit, what it gives; rows hold everything that is special.</summary>
/// <remarks>Needs Debian's python3-xgboost; <c>SLUICE_XGBOOST_PATH</c> is a folder with another release.</remarks>
public sealed class DifferentialTests : IDisposable
{
    private readonly RandomModels _models = new(40);

    public void Dispose() => _models.Dispose();

    [Fact]
    public async Task EveryLayout_OfRandomModels_IsBitForBitTheLibrary()
    {
        if (!await _models.TryMakeAsync("forests.py"))
            return;
        var compared = 0;
        foreach (var folder in _models.Folders)
        {
            var file = Directory.GetFiles(folder, "model.*").Single();
            var forest = ForestFile.Read(file);
            var rows = RandomModels.Read<float>(folder, "rows.npy");
            if (File.Exists(Path.Combine(folder, "contributions.npy")))
                CompareContributions(forest, rows, RandomModels.Read<float>(folder, "contributions.npy"), $"{file} of seed {_models.Seed}");
            ComparePredictions(forest, RandomModels.Read<float>(folder, "margin.npy"), RandomModels.Read<float>(folder, "predicted.npy"), $"{file} of seed {_models.Seed}");
            foreach (var kernel in (string?[])[null, "turns", "8-bit", "16-bit"])
            {
                Engine.ForestEngine<float> engine;
                try
                {
                    engine = new Engine.ForestEngine<float>(forest, kernel);
                }
                catch (ArgumentException)
                {
                    // This machine or forest has no such layout.
                    continue;
                }

                var scores = new float[rows.Length / forest.FeatureCount * forest.OutputCount];
                engine.Score(rows, forest.FeatureCount, scores);
                var place = $"{file} of seed {_models.Seed}, {engine.Kernel.Name}";
                var margin = RandomModels.Read<float>(folder, "margin.npy");

                // The start of expectiles' scores is of the C library's logarithm and exponential.
                var tolerance = forest.Objective == "reg:expectileerror" ? 2e-6f : 0;
                var different = margin.Zip(scores).Index().Where(pair => !IsSame(pair.Item.First, pair.Item.Second, tolerance));
                Assert.True(margin.Length == scores.Length && !different.Any(), $"{place}: {string.Join(", ", different.Take(5))}");
                compared++;
                if (forest.Linear is not null)
                    continue;
                var leaves = new int[rows.Length / forest.FeatureCount * forest.Trees.Length];
                engine.FindLeaves(rows, forest.FeatureCount, leaves);
                Assert.True(NpyFile.Read(Path.Combine(folder, "leaf.npy")).Data.AsSpan().SequenceEqual(MemoryMarshal.AsBytes<int>(leaves)), place);
            }
        }

        Assert.True(compared >= _models.Count);
    }

    /// <summary>The last bits of an exponential are the compiler's.</summary>
    private static void ComparePredictions(TreeEnsemble forest, float[] margins, float[] expected, string place)
    {
        var actual = margins.Chunk(forest.OutputCount).SelectMany(row =>
        {
            forest.Transform.Apply(row);
            return row[..forest.Transform.Width(row.Length)];
        }).ToArray();
        Assert.True(expected.Length == actual.Length, $"{place}: {actual.Length} predictions, expected {expected.Length}");
        var width = forest.Transform.Width(forest.OutputCount);
        for (var i = 0; i < actual.Length; i++)
        {
            var scale = expected.AsSpan(i / width * width, width).ToArray().Max(MathF.Abs);
            var isSame = expected[i].Equals(actual[i]) || Math.Abs(expected[i] - actual[i]) <= 1e-6f * scale;
            Assert.True(isSame, $"{place}, prediction {i}: {actual[i]:R}, expected {expected[i]:R}");
        }
    }

    /// <summary>The library adds up in single precision, so its own values miss the score by as much.</summary>
    private static void CompareContributions(TreeEnsemble forest, float[] rows, float[] expected, string place)
    {
        var contributions = new Contributions(forest);
        var values = new double[contributions.Width];
        for (var row = 0; row < rows.Length / forest.FeatureCount; row++)
        {
            contributions.Find(Array.ConvertAll(rows[(row * forest.FeatureCount)..((row + 1) * forest.FeatureCount)], value => (double)value), values);
            var scale = Math.Max(1, values.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty(0).Max());
            for (var i = 0; i < values.Length; i++)
            {
                var wanted = expected[(row * values.Length) + i];
                var isSame = wanted.Equals((float)values[i]) || Math.Abs(values[i] - wanted) <= 1e-5 * scale;
                Assert.True(isSame, $"{place}, row {row}, value {i}: {values[i]}, expected {wanted}");
            }
        }
    }

    /// <summary>The same bits but for NaN, or as near as that.</summary>
    private static bool IsSame(float expected, float actual, float tolerance) =>
        BitConverter.SingleToInt32Bits(expected) == BitConverter.SingleToInt32Bits(actual) || (float.IsNaN(expected) && float.IsNaN(actual)) ||
        Math.Abs(expected - actual) <= tolerance && tolerance > 0;
}
