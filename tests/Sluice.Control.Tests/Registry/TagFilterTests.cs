using Sluice.Control.Records;
using Sluice.Control.Registry;

namespace Sluice.Control.Tests.Registry;

public sealed class TagFilterTests
{
    [Theory]
    [InlineData("", "x", true)]
    [InlineData("a b", "b", true)]
    [InlineData("a b", "c", false)]
    [InlineData("a b -c", "a", true)]
    [InlineData("a b -c", "a c", false)]
    [InlineData("-c", "a", true)]
    [InlineData("-c", "", true)]
    [InlineData("-c", "c", false)]
    [InlineData("a __$not b", "a", true)]
    [InlineData("a __$not b", "a b", false)]
    [InlineData("__$and a b", "a b", true)]
    [InlineData("__$and a b", "a", false)]
    [InlineData("__$all a b __$not c", "a b", true)]
    [InlineData("__$all a b __$not c", "a b c", false)]
    [InlineData("__$or a b", "b", true)]
    [InlineData("__$all a b __$or c __$not d __$or e f", "a b c f", true)]
    [InlineData("__$all a b __$or c __$not d __$or e f", "a b e", true)]
    [InlineData("__$all a b __$or c __$not d __$or e f", "a b d e", false)]
    [InlineData("__$all a b __$or c __$not d __$or e f", "a b c", false)]
    [InlineData("__$and", "x", true)]
    public void Filter_OverTags_Selects(string words, string tags, bool isSelected) => Assert.Equal(
        isSelected, TagFilter.Parse(Split(words)).Accepts(ValueList.From(Split(tags))));

    [Theory]
    [InlineData("scikit-learn", "scikitlearn")]
    [InlineData("scikitlearn", "scikitlearn")]
    [InlineData("ONNX", "onnx")]
    [InlineData("mxnet", null)]
    public void Framework_InAnySpelling_IsItsToken(string text, string? token) => Assert.Equal(token, Frameworks.Normalize(text));

    [Fact]
    public void Frameworks_AreThoseOfTheOriginal()
    {
        Assert.Equal(23, Frameworks.All.Count);
        Assert.Equal("onnx", Frameworks.OfFile("a/b.ONNX"));
        Assert.Equal("pytorch", Frameworks.OfFile("b.pt"));
        Assert.Equal("tensorflow", Frameworks.OfFile("b.tar.gz"));
        Assert.Equal("custom", Frameworks.OfFile("b"));
    }

    private static string[] Split(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
