using System.Buffers.Binary;
using Sluice.Backends.Forest.Formats;
using Sluice.Inference;
using Sluice.Testing;

namespace Sluice.Backends.Forest.Tests;

/// <summary>Broken files are refused with a reason, whatever is broken, and take no memory for what they only claim.</summary>
public sealed class HostileFileTests
{
    private static readonly byte[][] Pieces =
    [
        "-1"u8.ToArray(), "99999999999"u8.ToArray(), "NaN"u8.ToArray(), "["u8.ToArray(), "{"u8.ToArray(), "\""u8.ToArray(), "[]"u8.ToArray(),
        [0xff, 0xff, 0xff, 0x7f], [0, 0, 0, 0], [(byte)'[', (byte)'$', (byte)'d', (byte)'#', (byte)'L', 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ];

    [Theory]
    [InlineData("xgboost", "cat_partition")]
    [InlineData("xgboost", "cat_partition_ubj")]
    [InlineData("xgboost", "dart_legacy_model")]
    [InlineData("xgboost", "v34_vector_leaf_json")]
    [InlineData("xgboost", "v34_gblinear_multi_ubj")]
    [InlineData("lightgbm", "categorical")]
    [InlineData("lightgbm", "linear_tree")]
    [InlineData("onnx", "class_3_some_softmax")]
    [InlineData("onnx", "mode_mixed")]
    [InlineData("onnx", "reg_double")]
    [InlineData("onnx", "v5_2")]
    public void Read_OfADamagedFile_EitherWorksOrSaysWhy(string engine, string name)
    {
        var file = File.ReadAllBytes(engine == "onnx" ? Path.Combine(OnnxTests.Folder, name + ".onnx") : new GoldenForest(engine, name).ModelPath);
        var refused = 0;
        foreach (var seed in Fuzz.Seeds(1, 150))
        {
            var damaged = Fuzz.Damage(new Random(seed), file, Pieces);
            var before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                var forest = ForestFile.Read(damaged);
                if (forest.FeatureCount < 4096 && forest.OutputCount < 64)
                    Run(forest);
            }
            catch (ForestFormatException error)
            {
                Assert.NotEmpty(error.Message);
                refused++;
            }
            catch (Exception error)
            {
                Assert.Fail($"{engine}/{name}, seed {seed}: {error}");
            }

            Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 200L * 1024 * 1024, $"{engine}/{name}, seed {seed} takes too much memory");
        }

        Assert.True(refused > 0);
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("{", "ends at byte 1")]
    [InlineData("{\"learner\":{}}", "'model.learner' has no 'learner_model_param'")]
    [InlineData("tree\nnum_class=1\n", "no line 'end of trees'")]
    [InlineData("tree\nend of trees\n", "no line")]
    [InlineData("hello, this is no model at all", "neither JSON, UBJSON, LightGBM text nor ONNX")]
    public void Read_OfSomethingElse_SaysWhatIsMissing(string text, string reason)
    {
        var error = Assert.Throws<ForestFormatException>(() => ForestFile.Read(System.Text.Encoding.UTF8.GetBytes(text)));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    /// <summary>No number is below NaN or above it: the layouts would disagree about such a node.</summary>
    [Theory]
    [InlineData("xgboost", "bin_logistic_json", "trees[0]': node 0")]
    [InlineData("xgboost", "bin_logistic_ubj", "trees[0]': node 0")]
    [InlineData("xgboost", "bin_logistic_legacy_model", "tree 0': node 0")]
    [InlineData("lightgbm", "binary", "Tree=0: node 0")]
    public void Read_OfASplitAtNaN_SaysWhere(string engine, string name, string place)
    {
        var file = File.ReadAllBytes(new GoldenForest(engine, name).ModelPath);
        Assert.Equal(0, ForestFile.Read(file).Trees[0].Root);
        var error = Assert.Throws<ForestFormatException>(() => ForestFile.Read(WithFirstThresholdNaN(file)));
        Assert.Contains($"{place} compares with NaN", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_OfABrokenFile_NamesModelAndFile()
    {
        var folder = Directory.CreateTempSubdirectory("sluice-forest-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "model.json"), "{\"learner\":");
            var settings = new ModelSettings
            {
                Name = "broken",
                Version = "1",
                Backend = "xgboost",
                ModelFolder = folder,
                VersionFolder = folder,
                ModelFilename = "",
            };
            var error = Assert.Throws<InferenceException>(() => ForestBackend.Create()[0].Load(settings));
            Assert.Equal(InferenceCode.InvalidArgument, error.Code);
            Assert.Contains("model 'broken': its file 'model.json' cannot be read: the text ends at byte 11", error.Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static byte[] WithFirstThresholdNaN(byte[] file)
    {
        var text = "\nthreshold="u8;
        var array = "split_conditions"u8;
        if (file.AsSpan().IndexOf(text) is >= 0 and var line)
            return Replace(line + text.Length, file.AsSpan(line + text.Length).IndexOf((byte)' '), "nan"u8);
        if (file.AsSpan().IndexOf(array) is not (>= 0 and var at))
        {
            // Before the root's number: the learner's parameters and its two names, those of all trees and of the first, four words.
            at = file.AsSpan().StartsWith("binf"u8) ? 140 : 136;
            for (var names = 0; names < 2; names++)
                at += sizeof(long) + (int)BinaryPrimitives.ReadInt64LittleEndian(file.AsSpan(at));
            return Replace(at + 160 + 148 + 16, sizeof(float), [0, 0, 0xc0, 0x7f]);
        }

        at += array.Length;
        if (file.AsSpan(at).StartsWith("[$d#L"u8))
            return Replace(at + 5 + sizeof(long), sizeof(float), [0x7f, 0xc0, 0, 0]);
        at += file.AsSpan(at).IndexOf((byte)'[') + 1;
        return Replace(at, file.AsSpan(at).IndexOf((byte)','), "NaN"u8);

        byte[] Replace(int start, int length, ReadOnlySpan<byte> by) => [.. file.AsSpan(0, start), .. by, .. file.AsSpan(start + length)];
    }

    private static void Run(Trees.TreeEnsemble forest)
    {
        if (forest.IsDouble)
            new Engine.ForestEngine<double>(forest).Score(new double[forest.FeatureCount], forest.FeatureCount, new double[forest.OutputCount]);
        else
            new Engine.ForestEngine<float>(forest).Score(new float[forest.FeatureCount], forest.FeatureCount, new float[forest.OutputCount]);
    }
}
