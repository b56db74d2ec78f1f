using System.Globalization;
using System.Text;
using Sluice.Backends.Forest.Engine;
using Sluice.Backends.Forest.Formats;

namespace Sluice.Backends.Forest.Tests;

/// <summary>Small files with what LightGBM 4.6 answers for them.</summary>
public sealed class LightGbmTests
{
    private const double Zero = 1e-35f;
    private const string Split = "split_feature=0\ndecision_type=8\nleft_child=-1\nright_child=-2\nthreshold=";

    // Where the second feature is 9 at most, 1e35 times the first and the second are added to -1.
    private const string Linear =
        "split_feature=1\ndecision_type=8\nleft_child=-1\nright_child=-2\nthreshold=9\nis_linear=1\nleaf_const=-1 -1\nnum_features=2 0\nleaf_features=0 1\nleaf_coeff=1e35 1";

    public static TheoryData<double, double, bool> NearZero => new()
    {
        { -Zero, -Zero, false },
        { -Zero, Math.BitDecrement(-Zero), true },
        { -1e-36, -1e-35, false },
        { -1e-36, -1.1e-35, true },
        { 0, Zero, true },
        { 0, 1e-300, true },
        { 0, Math.BitIncrement(Zero), false },
        { 1e-36, 1e-35, true },
        { Math.BitIncrement(Zero), Math.BitIncrement(Zero), true },
        { Math.BitDecrement(-Zero), -Zero, false },
        { -1, -1, true },
    };

    [Theory]
    [MemberData(nameof(NearZero))]
    public void Value_NextToZero_GoesWhereZeroGoes(double threshold, double value, bool goesLeft)
    {
        var text = threshold.ToString("R", CultureInfo.InvariantCulture);
        Assert.Equal(goesLeft ? 1.0 : 2.0, Predict(Split + text, "regression", value));
    }

    [Fact]
    public void Value_NextToZero_AddsNothingToALinearLeaf() =>
        Assert.Equal(2.0, Predict(Linear, "regression", 1e-35, 3.0));

    [Fact]
    public void Score_ThatIsNoNumber_IsSquaredToNone() =>
        Assert.Equal(double.NaN, Predict(Linear, "regression sqrt", double.PositiveInfinity, double.NegativeInfinity));

    [Theory]
    [InlineData(-40, 4.248354255291589E-18)]
    [InlineData(-3, 0.04858735157374206)]
    [InlineData(1000, double.PositiveInfinity)]
    public void CrossEntropyLambda_OfASmallScore_IsNotRoundedAway(double score, double expected) =>
        Assert.Equal(1, Predict(Split + "0", "cross_entropy_lambda", [1], [score, score]) is var actual && actual == expected ? 1 : actual / expected, 1e-15);

    private static double Predict(string tree, string objective, params double[] row) => Predict(tree, objective, row, [1, 2]);

    private static double Predict(string tree, string objective, double[] row, double[] leaves)
    {
        var values = string.Join(' ', leaves.Select(leaf => leaf.ToString("R", CultureInfo.InvariantCulture)));
        var text = $"tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx={row.Length - 1}\nobjective={objective}\n\n" +
            $"Tree=0\nnum_leaves=2\nnum_cat=0\n{tree}\nleaf_value={values}\nshrinkage=1\n\nend of trees\n";
        var forest = ForestFile.Read(Encoding.UTF8.GetBytes(text));
        var scores = new double[1];
        new ForestEngine<double>(forest, null).Score(row, row.Length, scores);
        forest.Transform.Apply(scores);
        return scores[0];
    }
}
