using Sluice.Tensors;

namespace Sluice.Load.Tests;

/// <summary>The command line is read as the help says, and refused with the place that is wrong.</summary>
public sealed class LoadOptionsTests
{
    [Fact]
    public void Parse_OfNothing_IsTheDefaultModelAtOneInFlight()
    {
        var options = LoadOptions.Parse([]);
        Assert.Equal("grpc", options.Scenario);
        Assert.Equal([1], options.Concurrency);
        Assert.Empty(options.Rates);
        Assert.Equal(["INPUT0", "INPUT1"], options.Inputs.Select(input => input.Name));
    }

    [Fact]
    public void Parse_OfEverything_SetsEverything()
    {
        var options = LoadOptions.Parse(
        [
            "--scenario", "stream", "--address", "h:1", "--model", "m", "--input", "x:FP16:2,3", "--concurrency", "1,16",
            "--rate", "10,2.5", "--seconds", "0.5", "--warmup", "0", "--server-pid", "7", "--json", "--max-p99-us", "9", "--max-errors", "3",
        ]);
        Assert.Equal(("stream", "h:1", "m", true, 7), (options.Scenario, options.Address, options.Model, options.IsJson, options.ServerProcessId));
        Assert.Equal([1, 16], options.Concurrency);
        Assert.Equal([10, 2.5], options.Rates);
        Assert.Equal((0.5, 0), (options.Duration.TotalSeconds, options.WarmUp.TotalSeconds));
        Assert.Equal((9, 3), (options.MaxP99Microseconds, options.MaxErrors));
        var input = Assert.Single(options.Inputs);
        Assert.Equal((DataType.Fp16, 12), (input.DataType, input.Data.Length));
    }

    [Theory]
    [InlineData("--concurrency", "0", "at least 1")]
    [InlineData("--concurrency", "1,x", "--concurrency 1,x")]
    [InlineData("--rate", "0", "at least")]
    [InlineData("--input", "x:FP32", "NAME:TYPE:DIM")]
    [InlineData("--input", "x:BYTES:1", "fixed size")]
    [InlineData("--input", "x:FP64:65536,65536", "larger than a message")]
    [InlineData("--sconds", "1", "no such option")]
    public void Parse_OfAWrongValue_SaysWhere(string name, string value, string reason) =>
        Assert.Contains(reason, Assert.Throws<FormatException>(() => LoadOptions.Parse([name, value])).Message, StringComparison.Ordinal);

    [Fact]
    public void Parse_OfANameWithoutValue_SaysSo() =>
        Assert.Contains("--model needs a value", Assert.Throws<FormatException>(() => LoadOptions.Parse(["--model"])).Message, StringComparison.Ordinal);
}
