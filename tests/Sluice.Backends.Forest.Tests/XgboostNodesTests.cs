using Sluice.Backends.Forest.Formats.Xgboost;

namespace Sluice.Backends.Forest.Tests;

/// <summary>Signs of zero in the leaves, which the long differential run found.</summary>
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
}
