using Sluice.Server;

namespace Sluice.Functional.Tests;

public sealed class RestrictedOptionTests
{
    [Theory]
    [InlineData("inference:k=v|inference:k=w", "protocol 'inference' can not be specified in multiple config groups")]
    [InlineData("inference,health,inference:k=v", "protocol 'inference' can not be specified in multiple config groups")]
    [InlineData("inferences:k=v", "unknown restricted protocol 'inferences'")]
    [InlineData("inference", "must look like GROUP[,GROUP]:KEY=VALUE")]
    [InlineData("inference:k", "must look like GROUP[,GROUP]:KEY=VALUE")]
    [InlineData("inference:=v", "must look like GROUP[,GROUP]:KEY=VALUE")]
    [InlineData("inference:k=", "must look like GROUP[,GROUP]:KEY=VALUE")]
    [InlineData(":k=v", "must look like GROUP[,GROUP]:KEY=VALUE")]
    public void Read_BadGroups_AreAllReported(string values, string message)
    {
        foreach (var option in new[] { "grpc-restricted-protocol", "http-restricted-api" })
        {
            var errors = new List<string>();
            OptionSources.Read(
                [("model-repository", "x"), .. values.Split('|').Select(value => (option, value))], _ => null, null, errors);
            Assert.Contains(message, Assert.Single(errors), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Read_GroupsOfTheCommandLine_ReplaceThoseOfTheEnvironment()
    {
        var errors = new List<string>();
        var options = OptionSources.Read(
            [("model-repository", "x"), ("grpc-restricted-protocol", "health:a=b")],
            name => name == "SLUICE_GRPC_RESTRICTED_PROTOCOL" ? "health:c=d" : null, null, errors);
        Assert.Empty(errors);
        Assert.Equal(new RestrictedGroup("health", "a", "b"), Assert.Single(options.GrpcRestricted));
    }

    [Theory]
    [InlineData("(")]
    [InlineData(@"(a)\1")]
    [InlineData("(?=a)")]
    public void Read_PatternThatIsNone_IsReported(string pattern)
    {
        var errors = new List<string>();
        OptionSources.Read(
            [("model-repository", "x"), ("http-header-forward-pattern", pattern)], _ => null, null, errors);
        Assert.Contains("must be a regular expression", Assert.Single(errors), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_Nothing_RestrictsForwardsAndSharesNothing()
    {
        var options = new ServerOptions();
        Assert.Empty(options.GrpcRestricted);
        Assert.Empty(options.HttpRestricted);
        Assert.Null(options.GrpcForwardedHeaders);
        Assert.Null(options.HttpForwardedHeaders);
        Assert.False(options.AllowClientShm);
    }
}
