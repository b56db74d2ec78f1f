using System.Globalization;
using System.Numerics;
using Sluice.Backends.Forest.Engine;
using Sluice.Backends.Forest.Trees;
using Sluice.Backends.TestKit;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.Forest.Tests;

/// <summary>Contributions add up to the score, and are the Shapley values that their definition gives.</summary>
/// <remarks><see cref="DifferentialTests"/> compares them with XGBoost's own.</remarks>
public sealed class ContributionTests
{
    private const int MostFeatures = 11;

    [Theory]
    [MemberData(nameof(GoldenForest.All), MemberType = typeof(GoldenForest))]
    public void Find_OfAGoldenModel_AddsUpToTheScore(string engine, string name)
    {
        var golden = new GoldenForest(engine, name);
        var forest = golden.Read();
        if (Contributions.WhyNot(forest) is { } reason)
        {
            Assert.True(name is "linear_tree" or "v21_vector_leaf_json", reason);
            return;
        }

        var contributions = new Contributions(forest);
        var values = new double[contributions.Width];
        foreach (var row in golden.Rows(forest.FeatureCount).Take(12))
        {
            ReferenceEvaluator.Normalise(forest, row);
            var score = new double[forest.OutputCount];
            ReferenceEvaluator.Score(forest, row, 0, forest.Trees.Length, score);
            contributions.Find(row, values);
            foreach (var (output, own) in values.Chunk(forest.FeatureCount + 1).Index())
                Assert.Equal(score[output], own.Sum(), 2e-5 * Math.Max(1, own.Max(Math.Abs)));
        }
    }

    [Theory]
    [InlineData("xgboost", "bin_missing_nan")]
    [InlineData("xgboost", "cat_partition")]
    [InlineData("xgboost", "v34_vector_leaf_json")]
    [InlineData("lightgbm", "regression")]
    [InlineData("lightgbm", "missing_zero")]
    [InlineData("lightgbm", "categorical")]
    [InlineData("lightgbm", "multiclass_iris")]
    public void Find_OfAFewTrees_IsWhatEverySetOfFeaturesGives(string engine, string name)
    {
        var golden = new GoldenForest(engine, name);
        var whole = golden.Read();
        var trees = whole.Trees.Where(tree => tree.Features.Distinct().Count() <= MostFeatures).Take(4).ToArray();
        Assert.NotEmpty(trees);
        var forest = whole with { Trees = trees, RoundStarts = [0, trees.Length] };
        var values = new double[new Contributions(forest).Width];
        foreach (var row in golden.Rows(forest.FeatureCount).Take(3))
        {
            ReferenceEvaluator.Normalise(forest, row);
            new Contributions(forest).Find(row, values);
            var expected = new double[values.Length];
            foreach (var tree in trees)
                AddByDefinition(forest, tree, row, expected);
            for (var output = 0; output < forest.OutputCount; output++)
                expected[((output + 1) * (forest.FeatureCount + 1)) - 1] += forest.BaseMargin[output];
            for (var i = 0; i < values.Length; i++)
                Assert.Equal(expected[i], values[i], 1e-9 * Math.Max(1, Math.Abs(expected[i])));
        }
    }

    /// <summary>More work than the limit is refused before it begins; what asks for no contributions goes on.</summary>
    [Fact]
    public async Task Execute_OfMoreStepsThanAllowed_IsRefused()
    {
        var golden = new GoldenForest("xgboost", "multi_softprob_iris_bin");
        var forest = golden.Read();
        var steps = Contributions.CountSteps(forest);
        using var runner = new BackendRunner(ForestBackend.Create()[0], WithSteps(golden, (3 * steps).ToString(CultureInfo.InvariantCulture)));
        Assert.Equal(2, (await runner.RunAsync([Rows(3)])).Count);
        var error = await Assert.ThrowsAsync<InferenceException>(() => runner.RunAsync([Rows(4)]));
        Assert.Equal(InferenceCode.InvalidArgument, error.Code);
        Assert.Equal($"model 'trees': contributions of 4 rows take {4 * steps} steps, its parameter 'contribution_steps' allows {3 * steps}", error.Message);
        Assert.Single(await runner.RunAsync([Rows(4)], ["output__0"]));

        TestTensor Rows(int count) => new(
            "input__0", DataType.Fp32, Shape.Create([count, forest.FeatureCount]), new byte[count * forest.FeatureCount * sizeof(float)]);
    }

    [Theory]
    [InlineData("1", "contributions of 1 row take ")]
    [InlineData("0", "parameter 'contribution_steps' is '0', it must be a whole number from 1 to ")]
    [InlineData("many", "parameter 'contribution_steps' is 'many'")]
    public void Load_WithALimitThatNoRowMeets_IsRefused(string limit, string message)
    {
        var golden = new GoldenForest("xgboost", "multi_softprob_iris_bin");
        var error = Assert.Throws<InferenceException>(() => ForestBackend.Create()[0].Load(WithSteps(golden, limit)));
        Assert.StartsWith("model 'trees': " + message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void CountSteps_OfALongerTree_GrowsWithTheSquareOfItsDepth()
    {
        long Chain(int depth)
        {
            var forest = new GoldenForest("xgboost", "reg_squarederror").Read();
            var tree = new ForestTree
            {
                Root = 0,
                Features = new int[depth],
                Thresholds = new double[depth],
                Left = [.. Enumerable.Range(0, depth).Select(i => i + 1 < depth ? i + 1 : ~0)],
                Right = [.. Enumerable.Range(0, depth).Select(i => ~(i + 1))],
                DefaultLeft = new bool[depth],
                LeafValues = new double[depth + 1],
            };
            return Contributions.CountSteps(forest with { Trees = [tree], FeatureCount = 1 });
        }

        // Written values; the root; two leaves behind one step.
        Assert.Equal(2 + 1 + (2 * (2 + (1 * 3))), Chain(1));
        Assert.InRange(Chain(200), 200L * 200 * 200 / 3, 200L * 200 * 200 / 2);
    }

    private static ModelSettings WithSteps(GoldenForest golden, string limit)
    {
        var settings = new ModelSettings
        {
            Name = "trees",
            Version = "1",
            Backend = "xgboost",
            ModelFolder = "",
            VersionFolder = Path.GetDirectoryName(golden.ModelPath)!,
            ModelFilename = Path.GetFileName(golden.ModelPath),
        };
        return settings with { Parameters = settings.Parameters.Add("outputs", "margin,contributions").Add("contribution_steps", limit) };
    }

    /// <summary>The sum over all subsets of the features that the tree tests.</summary>
    private static void AddByDefinition(TreeEnsemble forest, ForestTree tree, double[] row, double[] values)
    {
        var features = tree.Features.Distinct().ToArray();
        var (count, stride) = (features.Length, forest.FeatureCount + 1);
        for (var output = 0; output < tree.LeafWidth; output++)
        {
            var start = (tree.LeafWidth == 1 ? tree.Output : output) * stride;
            var worth = new double[1 << count];
            for (var set = 0; set < worth.Length; set++)
                worth[set] = Worth(tree, tree.Root, row, feature => (set >> Array.IndexOf(features, feature) & 1) != 0, output) * (tree.Weight ?? 1f);
            values[start + forest.FeatureCount] += worth[0];
            for (var i = 0; i < count; i++)
            {
                for (var set = 0; set < worth.Length; set++)
                {
                    if ((set >> i & 1) == 0)
                    {
                        var size = BitOperations.PopCount((uint)set);
                        values[start + features[i]] += Factorial(size) * Factorial(count - size - 1) / Factorial(count) * (worth[set | (1 << i)] - worth[set]);
                    }
                }
            }
        }
    }

    private static double Worth(ForestTree tree, int node, double[] row, Func<int, bool> isKnown, int output)
    {
        if (node < 0)
            return tree.LeafValues[(~node * tree.LeafWidth) + output];
        double Below(int child) => Worth(tree, child, row, isKnown, output);
        double Cover(int child) => tree.Cover![child < 0 ? tree.NodeCount + ~child : child];
        if (!isKnown(tree.Features[node]))
            return ((Cover(tree.Left[node]) * Below(tree.Left[node])) + (Cover(tree.Right[node]) * Below(tree.Right[node]))) / Cover(node);
        var value = row[tree.Features[node]];
        var goesLeft = double.IsNaN(value) ? tree.DefaultLeft[node]
            : tree.Categories?[node] is { } set ? set.GoesLeft(value) : value <= tree.Thresholds[node];
        return Below(goesLeft ? tree.Left[node] : tree.Right[node]);
    }

    private static double Factorial(int number) => number < 2 ? 1 : number * Factorial(number - 1);
}
