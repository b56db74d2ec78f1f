using System.Runtime.InteropServices;
using Sluice.Backends.Forest.Engine;
using Sluice.Backends.Forest.Formats;
using Sluice.Backends.Forest.Formats.Exported;
using Sluice.Backends.Forest.Trees;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Backends.Forest.Tests;

/// <summary>Forests that scikit-learn saved, exported by our script, give what scikit-learn gives.</summary>
/// <remarks>Needs Debian's python3-sklearn.</remarks>
public sealed class SklearnTests : IDisposable
{
    private const string Script = "sklearn_forests.py";

    private readonly string _folder = Directory.CreateTempSubdirectory("sluice-sklearn-").FullName;

    public static TheoryData<string> Golden =>
    [
        "extra_trees_digits", "gb_binary", "gb_multiclass", "gb_regressor", "hgb_binary", "hgb_regressor", "isolation_forest", "rf_digits",
        "string_classes",
    ];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [MemberData(nameof(Golden))]
    public async Task Export_OfAGoldenForest_GivesTheLibrarysResults(string name)
    {
        if (!await DebianPython.TryRunAsync(Script, "golden", Path.Combine(GoldenSet.FolderOf("sklearn"), name, "model.pkl"), Path.Combine(_folder, "forest")))
            return;
        var forest = ForestFile.Read(Path.Combine(_folder, "forest"));
        var golden = new GoldenForest("sklearn", name);
        var rows = golden.Rows(forest.FeatureCount);
        foreach (var expected in golden.Outputs)
        {
            var kind = expected.File switch
            {
                "expected_predict_proba.npy" => ForestOutputKind.Probability,
                "expected_decision_function.npy" => ForestOutputKind.Margin,
                "expected_score_samples.npy" => ForestOutputKind.Samples,
                _ => ForestOutputKind.Prediction,
            };
            var values = rows.SelectMany(row => Finish(forest, kind, row)[..(int)(expected.Values.Shape is [_, var width] ? width : 1)]).ToArray();
            var isWhole = expected.Values.DataType == DataType.Int64;
            var bytes = isWhole
                ? MemoryMarshal.AsBytes<long>(Array.ConvertAll(values, value => forest.Labels!.Numbers[(int)value])).ToArray()
                : MemoryMarshal.AsBytes<double>(values).ToArray();
            Assert.Null(golden.FindDifference(expected, bytes, expected.Values.DataType));
        }
    }

    [Fact]
    public async Task Export_OfRandomForests_IsBitForBitTheLibrary()
    {
        var count = Environment.GetEnvironmentVariable("SLUICE_FOREST_MODELS") ?? "24";
        var seed = Environment.GetEnvironmentVariable("SLUICE_FOREST_SEED") ?? "1";
        if (!await DebianPython.TryRunAsync(Script, "random", _folder, seed, count))
            return;
        foreach (var folder in Directory.EnumerateDirectories(_folder))
        {
            var forest = ForestFile.Read(Path.Combine(folder, "forest"));
            var rows = Doubles(folder, "rows.npy").Chunk(forest.FeatureCount).ToArray();
            var expected = Doubles(folder, "expected.npy");
            var kind = File.Exists(Path.Combine(folder, "class.npy")) && forest.Probabilities?.Kind == TransformKind.Identity
                ? ForestOutputKind.Probability : ForestOutputKind.Margin;
            var actual = rows.SelectMany(row => Finish(forest, kind, row)[..(expected.Length / rows.Length)]).ToArray();

            if (File.Exists(Path.Combine(folder, "class.npy")))
                Assert.Equal(Classes(folder), rows.Select(row => (long)Finish(forest, ForestOutputKind.Class, row)[0]));

            // The sum of depths is exact, the power of it is the C library's.
            if (forest.Isolation is null)
                Assert.True(expected.AsSpan().SequenceEqual(actual), $"{folder} of seed {seed}: {forest.Objective}");
            else
                Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 1e-12));
            foreach (var kernel in (string?[])[null, "turns", "8-bit", "16-bit"])
                Layouts.Compare<double>(forest, kernel, rows[..Math.Min(rows.Length, 20)]);
        }
    }

    /// <summary>Where the classes are equally likely, or nearly so, releases differ in which they take.</summary>
    [Fact]
    public async Task Export_OfClassifiersWithTies_TakesTheClassThatTheReleaseTakes()
    {
        if (!await DebianPython.TryRunAsync(Script, "ties", _folder))
            return;
        var differ = 0;
        foreach (var models in Directory.GetDirectories(_folder).GroupBy(folder => Path.GetFileName(folder).Split(' ')[0]))
        {
            var found = new List<long[]>();
            foreach (var folder in models)
            {
                var forest = ForestFile.Read(Path.Combine(folder, "forest"));
                var rows = Doubles(folder, "rows.npy").Chunk(forest.FeatureCount).ToArray();
                var classes = Array.ConvertAll(rows, row => (long)Finish(forest, ForestOutputKind.Class, row)[0]);
                Assert.True(Classes(folder).AsSpan().SequenceEqual(classes), $"{folder}: {string.Join(" ", classes)}, expected {string.Join(" ", Classes(folder))}");
                found.Add(classes);

                // Another threshold is one of the probability, whatever the release.
                if (forest.OutputCount == 1)
                    Assert.DoesNotContain(rows, row => Finish(forest, ForestOutputKind.Class, row, 0.99)[0] != 0);
            }

            Assert.Equal(2, found.Count);
            differ += found[0].AsSpan().SequenceEqual(found[1]) ? 0 : 1;
        }

        Assert.True(differ >= 2, "no release differs from another");
    }

    [Theory]
    [InlineData(0.1)]
    [InlineData(-0.1)]
    [InlineData(1.5)]
    [InlineData(0)]
    [InlineData(1e-46)]
    [InlineData(-1e-46)]
    [InlineData(3.4028234663852886e38)]
    [InlineData(16777217)]
    [InlineData(double.PositiveInfinity)]
    public void BeforeRounding_SeparatesWhatRoundsBelow_FromWhatRoundsAbove(double threshold)
    {
        var limit = ExportedForest.BeforeRounding(threshold);
        Assert.True(double.IsPositiveInfinity(threshold) || (float)limit <= threshold);
        Assert.True(double.IsPositiveInfinity(limit) || (float)double.BitIncrement(limit) > threshold);
    }

    [Fact]
    public void Read_OfADamagedFile_EitherWorksOrSaysWhy()
    {
        var file = Small();
        Assert.Equal(2, ForestFile.Read(file).Trees.Length);
        var refused = 0;
        foreach (var seed in Fuzz.Seeds(1, 2000))
        {
            var damaged = Fuzz.Damage(new Random(seed), file, [[0xff, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0x7f], [0, 0, 0, 0], [1, 0, 0, 0]]);
            var before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                var forest = ForestFile.Read(damaged);
                if (forest.FeatureCount < 4096)
                    new ForestEngine<double>(forest, "turns").Score(new double[forest.FeatureCount], forest.FeatureCount, new double[forest.OutputCount]);
            }
            catch (ForestFormatException error)
            {
                Assert.NotEmpty(error.Message);
                refused++;
            }

            Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 16 * 1024 * 1024, $"seed {seed} takes too much memory");
        }

        Assert.True(refused > 500);
    }

    [Fact]
    public void Read_OfEachBeginningOfAFile_SaysWhereItEnds()
    {
        var file = Small();
        for (var length = 8; length < file.Length; length++)
            Assert.Contains("at byte", Assert.Throws<ForestFormatException>(() => ForestFile.Read(file.AsSpan(0, length))).Message, StringComparison.Ordinal);
    }

    /// <summary>Two trees of one node, written by hand as README.md describes the format.</summary>
    private static byte[] Small()
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write("SLUICEFT"u8);
        foreach (var number in (uint[])[1, 1, 3, 1, 2, 2])
            writer.Write(number);
        writer.Write((byte[])[0, 255, 0, 0]);
        writer.Write(1.0);
        foreach (var text in (string[])["hand", "none"])
        {
            writer.Write((uint)text.Length);
            writer.Write(text.ToCharArray());
        }

        writer.Write(0.5);
        foreach (var number in (uint[])[0, 1, 2, 0])
            writer.Write(number);
        for (var tree = 0; tree < 2; tree++)
        {
            foreach (var number in (int[])[1, 2, 1, 0, 5, 0, tree])
                writer.Write(number);
            writer.Write(0.25);
            writer.Write(~0);
            writer.Write(~1);
            writer.Write((byte)1);
            foreach (var number in (double[])[1, 2, 10, 4, 6])
                writer.Write(number);
            writer.Write(1);
            writer.Write(2);
        }

        return stream.ToArray();
    }

    private static long[] Classes(string folder) =>
        MemoryMarshal.Cast<byte, long>(NpyFile.Read(Path.Combine(folder, "class.npy")).Data).ToArray();

    private static double[] Finish(TreeEnsemble forest, ForestOutputKind kind, double[] row, double threshold = ScoreFinish.PlainThreshold)
    {
        var score = new double[Math.Max(2, forest.OutputCount)];
        new ForestEngine<double>(forest, "turns").Score(row, forest.FeatureCount, score.AsSpan(0, forest.OutputCount));
        ScoreFinish.Apply(forest, kind, score.AsSpan(), threshold);
        return score;
    }

    private static double[] Doubles(string folder, string name) =>
        MemoryMarshal.Cast<byte, double>(NpyFile.Read(Path.Combine(folder, name)).Data).ToArray();
}
