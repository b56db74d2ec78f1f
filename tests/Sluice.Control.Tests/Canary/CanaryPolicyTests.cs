using System.Globalization;
using Sluice.Control.Canaries;
using Sluice.Control.Records;
using Sluice.Inference;

namespace Sluice.Control.Tests.Canaries;

public sealed class CanaryPolicyTests
{
    /// <summary>Keys marked with ! are known and not ready.</summary>
    [Theory]
    [InlineData("m/1 m/2", "0.1 0.9", "m/1 m/2", "m/1=0.1 m/2=0.9")]
    [InlineData("m/1 m/2", "1 3", "m/1 m/2", "m/1=0.25 m/2=0.75")]
    [InlineData("m/1 m/2 m/3", "0.2 0.2 0.6", "m/1 m/3", "m/1=0.25 m/3=0.75")]
    [InlineData("/m/1/ m/2", "1 1", "m/1 m/2", "m/1=0.5 m/2=0.5")]
    [InlineData("m/1 m/2", "0.1 0.9", "m/1 !m/2", "m/1=1")]
    [InlineData("m/1 m/2", "0 1", "m/1 m/2", "m/1=0 m/2=1")]
    public void FixedList_IsResolved(string targets, string weights, string known, string expected) =>
        Assert.Equal(expected, Resolve(Spec(weights) with { LoadEndpoints = ValueList.From(targets.Split(' ')) }, known));

    [Theory]
    [InlineData("m/", "0.1 0.9", "m/1 m/2 m/10 m_b/7", "m/10=0.1 m/2=0.9")]
    [InlineData("m", "0.1 0.9", "m/1 m/2 m/10 m_b/7", "m_b/7=0.1 m/10=0.9")]
    [InlineData("m/", "0.1 0.9", "m/1", "m/1=1")]
    [InlineData("m/", "0.1 0.9", "m/1 m/2 !m/3", "m/2=0.1 m/1=0.9")]
    [InlineData("m/", "0.1 0.9", "m/1 m/2 m/3", "m/3=0.1 m/2=0.9")]
    [InlineData("m/", "0.5", "m/1 m/2", "m/2=1")]
    public void Prefix_TakesTheNewestThatAreReady(string prefix, string weights, string known, string expected) =>
        Assert.Equal(expected, Resolve(Spec(weights) with { LoadEndpointPrefix = prefix }, known));

    [Theory]
    [InlineData("m/1 m/2", "", "0.5 0.5", "x", EndpointOutcome.NotFound, "no endpoint of its list")]
    [InlineData("m/1 m/2", "", "0.5 0.5", "!m/1", EndpointOutcome.Unavailable, "none of its endpoints is ready")]
    [InlineData("m/1 m/2", "", "0 0", "m/1 m/2", EndpointOutcome.Unavailable, "have no weight")]
    [InlineData("m/1 m/2", "", "0 1", "m/1 !m/2", EndpointOutcome.Unavailable, "have no weight")]
    [InlineData("m/1 m/2", "", "1", "m/1 m/2", EndpointOutcome.NotFound, "1 weights for 2 endpoints")]
    [InlineData("m/1", "", "-1", "m/1", EndpointOutcome.Unavailable, "have no weight")]
    [InlineData("m/1", "", "NaN", "m/1", EndpointOutcome.Unavailable, "have no weight")]
    [InlineData("", "m/", "1", "", EndpointOutcome.NotFound, "begins with 'm/'")]
    [InlineData("", "m/", "1", "!m/1 !m/2", EndpointOutcome.Unavailable, "m/2")]
    [InlineData("", "m/", "", "m/1", EndpointOutcome.NotFound, "leads nowhere")]
    public void NothingToCall_IsAClearAnswer(
        string targets, string prefix, string weights, string known, EndpointOutcome outcome, string detail)
    {
        var spec = Spec(weights) with { LoadEndpoints = ValueList.From(Words(targets)), LoadEndpointPrefix = prefix.Length > 0 ? prefix : null };
        var resolution = Run(spec, known);
        Assert.Empty(resolution.Arms);
        Assert.Equal(outcome, resolution.Outcome);
        Assert.Contains(detail, resolution.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Prefix_DoesNotTakeTheCanaryItself() =>
        Assert.Equal("c/1=1", Resolve(Spec("1 1") with { Endpoint = "c/9", LoadEndpointPrefix = "c" }, "c/1 c/9"));

    private static CanarySpec Spec(string weights) => new()
    {
        Endpoint = "canary",
        Weights = ValueList.From(Words(weights).Select(weight => double.Parse(weight, CultureInfo.InvariantCulture))),
    };

    private static string Resolve(CanarySpec spec, string known)
    {
        var resolution = Run(spec, known);
        Assert.Equal(EndpointOutcome.Ok, resolution.Outcome);
        return string.Join(' ', resolution.Arms.Select(arm => string.Create(CultureInfo.InvariantCulture, $"{arm.Key}={arm.Share:0.####}")));
    }

    private static CanaryResolution Run(CanarySpec spec, string known)
    {
        var words = Words(known);
        return CanaryPolicy.Resolve(spec, words.Select(word => word.TrimStart('!')), key => !words.Contains("!" + key));
    }

    private static string[] Words(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
