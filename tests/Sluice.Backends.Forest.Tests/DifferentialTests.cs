using System.Globalization;
using System.Runtime.InteropServices;
using Sluice.Backends.Forest.Engine;
using Sluice.Backends.Forest.Formats;
using Sluice.Backends.Forest.Trees;
using Sluice.Testing;

namespace Sluice.Backends.Forest.Tests;

/// <summary>Random models of the real XGBoost give, bit for bit, what it gives; rows hold everything that is special.</summary>
/// <remarks><c>SLUICE_FOREST_MODELS</c> sets how many models, <c>SLUICE_FOREST_SEED</c> which, <c>SLUICE_FOREST_KEEP</c> leaves them there. Needs Debian's python3-xgboost.</remarks>
public sealed class DifferentialTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("sluice-forests-").FullName;

    public void Dispose()
    {
        if (Environment.GetEnvironmentVariable("SLUICE_FOREST_KEEP") is null)
            Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task EveryLayout_OfRandomModels_IsBitForBitTheLibrary()
    {
        var count = Environment.GetEnvironmentVariable("SLUICE_FOREST_MODELS") ?? "40";
        var seed = Environment.GetEnvironmentVariable("SLUICE_FOREST_SEED") ?? "1";
        if (!await DebianPython.TryRunAsync("forests.py", _folder, seed, count))
            return;
        var compared = 0;
        foreach (var folder in Directory.EnumerateDirectories(_folder))
        {
            var file = Directory.GetFiles(folder, "model.*").Single();
            var forest = ForestFile.Read(file);
            var rows = Floats(folder, "rows.npy");
            CompareContributions(forest, rows, Floats(folder, "contributions.npy"), $"{file} of seed {seed}");
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
                var place = $"{file} of seed {seed}, {engine.Kernel.Name}";
                var margin = Floats(folder, "margin.npy");
                Assert.True(
                    MemoryMarshal.AsBytes<float>(margin).SequenceEqual(MemoryMarshal.AsBytes<float>(scores)),
                    $"{place}: {string.Join(", ", margin.Zip(scores).Index().Where(pair => !pair.Item.First.Equals(pair.Item.Second)).Take(5))}");
                var leaves = new int[rows.Length / forest.FeatureCount * forest.Trees.Length];
                engine.FindLeaves(rows, forest.FeatureCount, leaves);
                Assert.True(NpyFile.Read(Path.Combine(folder, "leaf.npy")).Data.AsSpan().SequenceEqual(MemoryMarshal.AsBytes<int>(leaves)), place);
                compared++;
            }
        }

        Assert.True(compared >= 2 * int.Parse(count, CultureInfo.InvariantCulture));
    }

    /// <summary>The library adds up in single precision, so its own values miss the score by as much.</summary>
    private static void CompareContributions(TreeEnsemble forest, float[] rows, float[] expected, string place)
    {
        var contributions = new Contributions(forest);
        var values = new double[contributions.Width];
        for (var row = 0; row < rows.Length / forest.FeatureCount; row++)
        {
            contributions.Find(Array.ConvertAll(rows[(row * forest.FeatureCount)..((row + 1) * forest.FeatureCount)], value => (double)value), values);
            var scale = Math.Max(1, values.Max(Math.Abs));
            for (var i = 0; i < values.Length; i++)
                Assert.True(Math.Abs(values[i] - expected[(row * values.Length) + i]) <= 1e-5 * scale, $"{place}, row {row}, value {i}: {values[i]}, expected {expected[(row * values.Length) + i]}");
        }
    }

    private static float[] Floats(string folder, string name) =>
        MemoryMarshal.Cast<byte, float>(NpyFile.Read(Path.Combine(folder, name)).Data).ToArray();
}
