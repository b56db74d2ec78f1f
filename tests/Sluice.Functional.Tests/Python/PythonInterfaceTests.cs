using System.Text.Json;
using Sluice.Client;
using Sluice.Protocol.Codec;

namespace Sluice.Functional.Tests.Python;

/// <summary>What models may use beside tensors: metrics, other models, logs, their environment.</summary>
[Collection(PythonGroup.Name)]
public sealed class PythonInterfaceTests(PythonFixture server) : IDisposable
{
    private readonly SluiceClient _client = new(server.Host.GrpcAddress!);

    public void Dispose() => _client.Dispose();

    [Theory]
    [InlineData("ready", "[true, false]")]
    [InlineData("texts", "[false, \"IN\", true, \"words\"]")]
    [InlineData("threads", "[0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 22.0, 24.0, 26.0, 28.0, 30.0]")]
    [InlineData("large", "true")]
    [InlineData("dlpack", "[[[0, 1, 2], [3, 4, 5]], [[0, 1, 2], [3, 4, 5]], 1]")]
    [InlineData("logs", "\"logged\"")]
    [InlineData("loops", "[[0, 1, null], [0, 1, null], [[0, 1, null], [0, 1, null]], [0, 1, null]]")]
    [InlineData("single", "[7]")]
    [InlineData("arguments", "\"Type Type Trit Trit Type Type Trit Type Type Trit Trit Trit Trit Type Type \"")]
    [InlineData("parameters", "[false, false, \"request parameters must be a JSON object: they are no JSON object\", true]")]
    public async Task Call_OfTheInterface_GivesWhatItPromises(string what, string expected)
    {
        Assert.Equal(expected, await CallAsync(what));
        Assert.Equal(expected, await CallAsync(what));
    }

    [Fact]
    public async Task DecoupledModel_OfAnotherModel_StreamsIntoTheCode() =>
        Assert.Equal(Enumerable.Range(0, 100), JsonSerializer.Deserialize<int[]>(await CallAsync("decoupled"))!);

    [Fact]
    public async Task Metrics_OfTheCode_StandBesideTheServers()
    {
        var before = double.Parse(await CallAsync("metrics"), System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal(before + 1, double.Parse(await CallAsync("metrics"), System.Globalization.CultureInfo.InvariantCulture));
        Assert.Contains("refused", await CallAsync("negative"), StringComparison.Ordinal);
        using var http = new HttpClient { BaseAddress = server.Host.MetricsAddress };
        var text = await http.GetStringAsync("metrics");
        Assert.Contains("# TYPE py_calls_total counter\npy_calls_total{kind=\"any\"} ", text, StringComparison.Ordinal);
        Assert.Contains("py_calls_seconds_bucket{le=\"1\"} ", text, StringComparison.Ordinal);
        Assert.Contains("nv_inference_request_success", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Loading_OutsideExplicitMode_IsRefusedWithTheServersWords() =>
        Assert.Contains("refused: ", await CallAsync("load"), StringComparison.Ordinal);

    [Fact]
    public async Task ResponseParameters_ReachTheClient()
    {
        using var result = await InferAsync("py_calls", "WHAT", "logs");
        Assert.Equal("of model", result.Parameters["kind"].StringParam);
        Assert.Equal(3, result.Parameters["n"].Int64Param);
        Assert.Equal(2, result.Parameters["real"].DoubleParam);
        Assert.Equal("NaN", result.Parameters["none"].StringParam);
    }

    [Theory]
    [InlineData("OWN_SETTING", "of this model")]
    [InlineData("PATH_TO_MY_SECRET_THING", "")]
    [InlineData("nice", "5")]
    [InlineData("cpus", "[0]")]
    [InlineData("session", "True")]
    [InlineData("bytecode", "True")]
    public async Task Environment_OfAModel_IsItsOwn(string name, string expected)
    {
        using var result = await InferAsync("py_env", "NAME", name);
        Assert.Equal(expected, result.GetStrings("VALUE")[0]);
    }

    private async Task<string> CallAsync(string what)
    {
        using var result = await InferAsync("py_calls", "WHAT", what);
        return result.GetStrings("OUT")[0];
    }

    private Task<InferResult> InferAsync(string model, string input, string value) => _client.InferAsync(
        new InferRequestMessage { ModelName = model, Inputs = [InferInput.CreateStrings(input, [value], 1)] });
}
