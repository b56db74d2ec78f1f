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

    private static void Run(Trees.TreeEnsemble forest)
    {
        if (forest.IsDouble)
            new Engine.ForestEngine<double>(forest).Score(new double[forest.FeatureCount], forest.FeatureCount, new double[forest.OutputCount]);
        else
            new Engine.ForestEngine<float>(forest).Score(new float[forest.FeatureCount], forest.FeatureCount, new float[forest.OutputCount]);
    }
}
