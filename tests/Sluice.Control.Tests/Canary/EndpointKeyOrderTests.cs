using Sluice.Control.Canaries;

namespace Sluice.Control.Tests.Canaries;

public sealed class EndpointKeyOrderTests
{
    [Theory]
    [InlineData("m/1 m/2 m/9 m/10", "m/10 m/9 m/2 m/1")]
    [InlineData("m/v1 m/v10 m/v2", "m/v10 m/v2 m/v1")]
    [InlineData("m/1.9 m/1.10 m/2.0", "m/2.0 m/1.10 m/1.9")]
    [InlineData("m/1 m/2 m/10 m_b/7", "m_b/7 m/10 m/2 m/1")]
    [InlineData("m/007 m/8 m/6", "m/8 m/007 m/6")]
    [InlineData("m/20240102030405 m/20230102030405", "m/20240102030405 m/20230102030405")]
    [InlineData("m m/1 m2", "m2 m/1 m")]
    [InlineData("a/b/2 a/b/10 a/c/1", "a/c/1 a/b/10 a/b/2")]
    public void Keys_AreOrdered_NewestFirst(string keys, string expected) =>
        Assert.Equal(expected, string.Join(' ', keys.Split(' ').Order(EndpointKeyOrder.NewestFirst)));

    [Fact]
    public void Order_OfAllPairs_IsAntisymmetric()
    {
        string[] keys = ["m", "m/1", "m/01", "m/1a", "m/a1", "m/", "m/10", "x/10", "", "m/1.2.3", "m/1.2"];
        foreach (var left in keys)
        {
            foreach (var right in keys)
                Assert.Equal(
                    Math.Sign(EndpointKeyOrder.NewestFirst.Compare(left, right)),
                    -Math.Sign(EndpointKeyOrder.NewestFirst.Compare(right, left)));
        }
    }
}
