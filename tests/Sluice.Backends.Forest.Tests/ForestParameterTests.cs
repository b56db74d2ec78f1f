using Sluice.Backends.Forest.Trees;
using Sluice.Inference;

namespace Sluice.Backends.Forest.Tests;

/// <summary>What a configuration may say of a forest.</summary>
public sealed class ForestParameterTests
{
    [Theory]
    [InlineData("0,2", 0, 2)]
    [InlineData("1,0", 1, null)]
    [InlineData("2,2", null, null)]
    [InlineData("3,2", null, null)]
    [InlineData("0,100000", null, null)]
    [InlineData("all", null, null)]
    public void IterationRange_IsAStretchOfRounds_OrRefused(string text, int? from, int? to)
    {
        var forest = new GoldenForest("xgboost", "reg_squarederror").Read();
        if (from is { } first)
            Assert.Equal((first, to ?? forest.RoundStarts.Length - 1), ForestParameters.Read(With(text), forest).Rounds);
        else
            Assert.Contains($"'{text}'", Assert.Throws<InferenceException>(() => ForestParameters.Read(With(text), forest)).Message, StringComparison.Ordinal);
    }

    /// <summary>An isolation forest's score is by the depth that all of its trees have on average.</summary>
    [Fact]
    public void IterationRange_OfAnIsolationForest_IsRefused()
    {
        var forest = new GoldenForest("xgboost", "reg_squarederror").Read() with { Isolation = new IsolationScore(10, -0.5) };
        Assert.Contains("of all its trees", Assert.Throws<InferenceException>(() => ForestParameters.Read(With("0,1"), forest)).Message, StringComparison.Ordinal);
    }

    private static ModelSettings With(string range)
    {
        var settings = new ModelSettings
        {
            Name = "trees",
            Version = "1",
            Backend = "xgboost",
            ModelFolder = "",
            VersionFolder = "",
            ModelFilename = "",
        };
        return settings with { Parameters = settings.Parameters.Add("iteration_range", range) };
    }
}
