using System.Collections.Immutable;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Sluice.Backends.Forest.Engine;
using Sluice.Backends.Forest.Formats;
using Sluice.Backends.Forest.Trees;
using Sluice.Inference;
using Sluice.Testing;

namespace Sluice.Backends.Forest.Tests;

/// <summary>CatBoost's JSON export: numbers worked out by hand, and an evaluator of its own in Python.</summary>
/// <remarks>The library itself cannot be had here; both follow its tutorial on the format.</remarks>
public sealed class CatBoostTests : IDisposable
{
    private const string Model = """
        {"features_info": {"float_features": [
            {"feature_index": 0, "flat_feature_index": 0, "feature_id": "age", "borders": [0.5], "has_nans": true, "nan_value_treatment": "AsFalse"},
            {"feature_index": 1, "flat_feature_index": 1, "feature_id": "", "borders": [0.1], "has_nans": true, "nan_value_treatment": "AsTrue"}]},
         "model_info": {"params": "{\"loss_function\": {\"type\": \"Logloss\"}}", "class_params": {"class_names": ["no", "yes"]}},
         "oblivious_trees": [
            {"leaf_values": [1, 2, 4, 8], "leaf_weights": [1, 1, 2, 4], "splits": [
                {"border": 0.5, "float_feature_index": 0, "split_index": 0, "split_type": "FloatFeature"},
                {"border": 0.10000000149011612, "float_feature_index": 1, "split_index": 1, "split_type": "FloatFeature"}]},
            {"leaf_values": [0.25, -0.25], "leaf_weights": [5, 3], "splits": [
                {"border": 0.10000000149011612, "float_feature_index": 1, "split_index": 1, "split_type": "FloatFeature"}]},
            {"leaf_values": [0.5], "leaf_weights": [8]}],
         "scale_and_bias": [2, [0.125]]}
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("sluice-catboost-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    // Bit 0 of a leaf is column 0 above 0.5, bit 1 column 1 above 0.1 in single precision; then times 2 and 0.125 more.
    [Theory]
    [InlineData(0, 0, (2 * (1 + 0.25 + 0.5)) + 0.125)]
    [InlineData(1, 0, (2 * (2 + 0.25 + 0.5)) + 0.125)]
    [InlineData(0, 1, (2 * (4 - 0.25 + 0.5)) + 0.125)]
    [InlineData(1, 1, (2 * (8 - 0.25 + 0.5)) + 0.125)]
    [InlineData(0.5, 0.1, (2 * (1 + 0.25 + 0.5)) + 0.125)]
    [InlineData(0.50000001, 0.100000002, (2 * (1 + 0.25 + 0.5)) + 0.125)]
    [InlineData(0.5001, 0.1001, (2 * (8 - 0.25 + 0.5)) + 0.125)]
    [InlineData(double.NaN, 0, (2 * (1 + 0.25 + 0.5)) + 0.125)]
    [InlineData(0, double.NaN, (2 * (4 - 0.25 + 0.5)) + 0.125)]
    public void Score_OfARow_IsThatWorkedOutByHand(double first, double second, double expected)
    {
        var forest = ForestFile.Read(Encoding.UTF8.GetBytes(Model));
        Assert.Equal(("CatBoost JSON", "Logloss", 2, 1), (forest.Source, forest.Objective, forest.FeatureCount, forest.OutputCount));
        Assert.Equal(["age", "1"], forest.FeatureNames);
        Assert.Equal(expected, Finish(forest, ForestOutputKind.Prediction, [first, second])[0]);
        Assert.Equal(expected, Finish(forest, ForestOutputKind.Margin, [first, second])[0]);
        var probability = 1 / (1 + Math.Exp(-expected));
        Assert.Equal([1 - probability, probability], Finish(forest, ForestOutputKind.Probability, [first, second]));
        Assert.Equal(1, Finish(forest, ForestOutputKind.Class, [first, second])[0]);
        var contributions = new double[3];
        new Contributions(forest).Find([first, second], contributions);
        Assert.Equal(expected, contributions.Sum(), 1e-12);

        // By the weights of the leaves: 41 and 1.25 - 0.75 of 8 rows, and 0.5.
        Assert.Equal((2 * ((43.0 / 8) + (0.5 / 8) + 0.5)) + 0.125, contributions[2], 1e-12);
    }

    [Fact]
    public void EveryLayout_GivesTheReferencesBits()
    {
        var forest = ForestFile.Read(Encoding.UTF8.GetBytes(Model));
        var random = new Random(1);
        var rows = Enumerable.Range(0, 50).Select(_ => new[] { random.NextDouble(), random.Next(5) == 0 ? double.NaN : random.NextDouble() / 4 }).ToArray();
        foreach (var kernel in (string?[])[null, "turns", "8-bit", "16-bit"])
            Layouts.Compare<double>(forest, kernel, rows);
    }

    [Theory]
    [InlineData("\"FloatFeature\"", "\"OneHotFeature\"", "'model.oblivious_trees[0].splits[0]' is a OneHotFeature; only splits of numeric columns are supported")]
    [InlineData("\"FloatFeature\"", "\"OnlineCtr\"", "is a OnlineCtr; only splits of numeric columns")]
    [InlineData("{\"float_features\"", "{\"categorical_features\": [{}], \"float_features\"", "has categorical_features, which are not supported")]
    [InlineData("\"oblivious_trees\"", "\"trees\"", "only symmetric trees are supported")]
    [InlineData("\"float_feature_index\": 1", "\"float_feature_index\": 7", "tests numeric column 7, which features_info does not have")]
    [InlineData("[1, 2, 4, 8], ", "[1, 2, 4], ", "has 3 values for 4 leaves")]
    [InlineData("[2, [0.125]]", "[2, [0.125, 1]]", "has 1 values in a leaf for 2 outputs")]
    [InlineData("\"AsTrue\"", "\"AsYouLike\"", "has nan_value_treatment 'AsYouLike'")]
    [InlineData("[\"no\", \"yes\"]", "[\"no\", \"yes\", \"so\"]", "has 3 names for 2 classes")]
    public void Read_OfWhatIsNotSupported_SaysWhatAndWhere(string part, string other, string message)
    {
        var error = Assert.Throws<ForestFormatException>(() => ForestFile.Read(Encoding.UTF8.GetBytes(Model.Replace(part, other, StringComparison.Ordinal))));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_OfADamagedFile_EitherWorksOrSaysWhy()
    {
        var file = Encoding.UTF8.GetBytes(Model);
        foreach (var seed in Fuzz.Seeds(1, 1000))
        {
            try
            {
                var forest = ForestFile.Read(Fuzz.Damage(new Random(seed), file, ["99999999"u8.ToArray(), "-1"u8.ToArray(), "[]"u8.ToArray(), "null"u8.ToArray()]));
                if (forest.FeatureCount < 4096 && forest.IsDouble)
                    Finish(forest, ForestOutputKind.Margin, new double[forest.FeatureCount]);
            }
            catch (ForestFormatException error)
            {
                Assert.NotEmpty(error.Message);
            }
        }
    }

    [Fact]
    public async Task Score_OfRandomModels_IsThatOfAnotherEvaluator()
    {
        var script = Path.Combine(GoldenSet.FolderOf("xgboost"), "../../../clients/python/catboost_json.py");
        using var python = Process.Start(new ProcessStartInfo("python3", [script, _folder, "7", "40"]) { RedirectStandardError = true })!;
        var errors = await python.StandardError.ReadToEndAsync();
        await python.WaitForExitAsync();
        Assert.True(python.ExitCode == 0, errors);
        foreach (var file in Directory.EnumerateFiles(_folder, "*.json"))
        {
            var forest = ForestFile.Read(file);
            var numbers = MemoryMarshal.Cast<byte, double>(File.ReadAllBytes(Path.ChangeExtension(file, ".bin"))).ToArray();
            foreach (var line in numbers.Chunk(forest.FeatureCount + forest.OutputCount))
            {
                var score = Finish(forest, ForestOutputKind.Margin, line[..forest.FeatureCount])[..forest.OutputCount];
                Assert.Equal(line[forest.FeatureCount..], score);
            }
        }
    }

    [Theory]
    [InlineData("sigmoid", "RMSE", null)]
    [InlineData("sigmoid", "Logloss", "its file says what its scores mean")]
    [InlineData("softmax", "RMSE", "it must be sigmoid for a model of one output")]
    [InlineData("other", "RMSE", "it must be sigmoid or softmax")]
    public void Transform_OfAParameter_MakesProbabilities_WhereTheFileSaysNothing(string transform, string loss, string? message)
    {
        File.WriteAllText(Path.Combine(_folder, "model.json"), Model.Replace("Logloss", loss, StringComparison.Ordinal));
        var settings = new ModelSettings
        {
            Name = "cat",
            Version = "1",
            Backend = "catboost",
            ModelFolder = _folder,
            VersionFolder = _folder,
            ModelFilename = "",
            Parameters = ImmutableDictionary<string, string>.Empty.Add("transform", transform).Add("predict_proba", "true"),
        };
        var backend = ForestBackend.Create().Single(one => one.Name == "catboost");
        if (message is null)
            Assert.Equal([-1, 2], backend.Load(settings).Description.Outputs[0].Dims!);
        else
            Assert.Contains(message, Assert.Throws<InferenceException>(() => backend.Load(settings)).Message, StringComparison.Ordinal);
    }

    private static double[] Finish(TreeEnsemble forest, ForestOutputKind kind, double[] row)
    {
        var score = new double[Math.Max(2, forest.OutputCount)];
        new ForestEngine<double>(forest, "turns").Score(row, forest.FeatureCount, score.AsSpan(0, forest.OutputCount));
        ScoreFinish.Apply(forest, kind, score.AsSpan(), 0.5);
        return score;
    }
}
