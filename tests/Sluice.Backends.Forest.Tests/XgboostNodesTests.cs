using Sluice.Backends.Forest.Formats;
using Sluice.Backends.Forest.Formats.Xgboost;

namespace Sluice.Backends.Forest.Tests;

/// <summary>Signs of zero in the leaves, which the long differential run found, and NaN.</summary>
public sealed class XgboostNodesTests
{
    [Theory]
    [InlineData(null, true)]
    [InlineData(1f, false)]
    public void ToTree_OfALeafOfMinusZero_LosesItsSignWhereTheTreeHasAFactor(float? weight, bool isNegative)
    {
        var nodes = new XgboostNodes(1, 1, 1, "tree")
        {
            Left = [-1],
            Right = [-1],
            Features = [0],
            Conditions = [-0.0],
            DefaultLeft = [false],
        };
        Assert.Equal(isNegative, double.IsNegative(nodes.ToTree(0, weight).LeafValues[0]));
    }

    /// <summary>The library writes NaN as the threshold of a categorical node, and a leaf may be anything.</summary>
    [Theory]
    [InlineData(double.NaN, false, "'tree': node 1 compares with NaN")]
    [InlineData(double.NaN, true, null)]
    [InlineData(double.NegativeInfinity, false, "'tree': node 1 compares with -infinity, which no value is below")]
    [InlineData(-1e300, false, "'tree': node 1 compares with -infinity, which no value is below")]
    [InlineData(-1e30, false, null)]
    public void ToTree_OfASplitThatIsNone_IsRefusedUnlessItIsCategorical(double threshold, bool isCategorical, string? reason)
    {
        var nodes = new XgboostNodes(5, 1, 1, "tree")
        {
            Left = [1, 3, -1, -1, -1],
            Right = [2, 4, -1, -1, -1],
            Features = [0, 0, 0, 0, 0],
            Conditions = [0.5, threshold, double.NaN, 1, 2],
            DefaultLeft = new bool[5],
            Categories = isCategorical ? [null, XgboostNodes.Set([1]), null, null, null] : null,
        };
        Assert.Equal(reason, (Record.Exception(() => nodes.ToTree(0, null)) as ForestFormatException)?.Message);
    }
}
