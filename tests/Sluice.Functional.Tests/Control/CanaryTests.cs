using System.Collections.Concurrent;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Protocol.Codec;

namespace Sluice.Functional.Tests.Control;

/// <summary>Canaries on every front, and while their endpoints come and go.</summary>
public sealed class CanaryTests : IAsyncLifetime
{
    private const string Request = """{"INPUT0": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], "INPUT1": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}""";

    private ControlledServer _server = null!;
    private string _model = "";

    public async Task InitializeAsync()
    {
        _server = await ControlledServer.StartAsync();
        await _server.CreateServiceAsync();
        _model = await _server.UploadAsync("add_sub_int32");
        await _server.AddAsync("m", "1", _model);
        await _server.AddAsync("m", "2", _model);
    }

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task TenThousandRequests_SplitByWeight_WithinThreeSigma()
    {
        await _server.DoAsync("model", "canary", "--endpoint", "c", "--weights", "0.1", "0.9", "--input-endpoints", "m/2", "m/1");
        await _server.ReadyAsync("c");
        await CallAsync(10_000, "c");
        AssertSplit("m_2", 0.1, 10_000);
    }

    [Fact]
    public async Task Versions_AppearAndLeave_UnderLoad_WithoutAFailure()
    {
        await _server.DoAsync("model", "canary", "--endpoint", "p", "--weights", "0.1", "0.9", "--input-endpoint-prefix", "m/");
        await _server.ReadyAsync("p");
        using var stop = new CancellationTokenSource();
        var load = Task.WhenAll(Enumerable.Range(0, 4).Select(_ => CallUntilAsync("p", stop.Token)));
        await _server.AddAsync("m", "3", _model);
        await _server.DoAsync("model", "remove", "--endpoint", "m/1");
        await _server.StatusAsync("/health/endpoints/m/1", 404);
        await _server.AddAsync("m", "10", _model);
        await _server.DoAsync("model", "remove", "--endpoint", "m/10");
        await _server.StatusAsync("/health/endpoints/m/10", 404);
        await stop.CancelAsync();
        var counts = await load;
        Assert.All(counts, count => Assert.True(count > 0));

        // After all that the newest, 3, has the first weight and 2 the second.
        var before = Counts();
        await CallAsync(3000, "p");
        var after = Counts();
        var third = after["m_3"] - before.GetValueOrDefault("m_3");
        Assert.Equal(3000, third + after["m_2"] - before.GetValueOrDefault("m_2"));
        Assert.InRange(third, 300 - (3 * Math.Sqrt(3000 * 0.09)), 300 + (3 * Math.Sqrt(3000 * 0.09)));
    }

    [Fact]
    public async Task CanaryAndEndpoints_AreModels_OnGrpcAndHttp()
    {
        await _server.DoAsync("model", "canary", "--endpoint", "c", "--weights", "1", "1", "--input-endpoints", "m/1", "m/2");
        await _server.ReadyAsync("c");
        using var client = new SluiceClient(_server.Host.GrpcAddress!);
        var models = new HashSet<string>();
        foreach (var (name, version) in new[] { ("c", ""), ("c", "1"), ("m", "1"), ("m", "2"), ("m/1", ""), ("m", ""), ("m_1", "1") })
        {
            for (var i = 0; i < 20; i++)
            {
                var message = OperatedServer.AddSub(model: name);
                using var result = await client.InferAsync(new InferRequestMessage { ModelName = name, ModelVersion = version, Inputs = message.Inputs });
                Assert.Equal(Enumerable.Range(1, 16), result.GetSpan<int>("OUTPUT0").ToArray());
                if (name == "c" && version.Length == 0)
                    models.Add(result.ModelName);
                else if (name == "m" && version.Length > 0)
                    Assert.Equal("m_" + version, result.ModelName);
                else if (name == "m")
                    Assert.Equal("m_2", result.ModelName);
            }

            Assert.True(await client.IsModelReadyAsync(name, version), name);
            Assert.Equal(2, (await client.GetModelMetadataAsync(name, version)).Inputs.Count);
        }

        Assert.Equal(["m_1", "m_2"], models.Order());
        var missing = await Assert.ThrowsAsync<SluiceException>(() => client.GetModelMetadataAsync("m", "3"));
        Assert.Equal(Sluice.Inference.InferenceCode.NotFound, missing.Code);
        using var http = new HttpInference(_server.Host.HttpAddress!);
        Assert.Contains("INPUT0", (await http.GetAsync("/v2/models/c")).GetRawText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task StickyHeader_BindsACaller_OnHttpAndGrpc()
    {
        await _server.DoAsync(
            "model", "canary", "--endpoint", "s", "--weights", "1", "1", "--input-endpoints", "m/1", "m/2", "--sticky-header", "X-User");
        await _server.ReadyAsync("s");
        using var client = new SluiceClient(_server.Host.GrpcAddress!);
        var arms = new HashSet<string>();
        for (var user = 0; user < 24; user++)
        {
            var before = Counts();
            for (var i = 0; i < 5; i++)
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, "/serve/s") { Content = new StringContent(Request) };
                request.Content.Headers.ContentType = null;
                request.Headers.Add("x-user", $"user-{user}");
                using var response = await _server.Http.SendAsync(request);
                Assert.Equal(200, (int)response.StatusCode);
            }

            using var result = await client.InferAsync(
                OperatedServer.AddSub(model: "s"), new CallOptions { Metadata = new RpcMetadata { { "x-user", $"user-{user}" } } });
            var after = Counts();
            Assert.Equal(6, after.GetValueOrDefault(result.ModelName) - before.GetValueOrDefault(result.ModelName));
            arms.Add(result.ModelName);
        }

        Assert.Equal(2, arms.Count);
    }

    [Fact]
    public async Task Canary_WithoutEndpoints_IsAClearAnswer_EverySameTime()
    {
        await _server.DoAsync("model", "canary", "--endpoint", "e", "--weights", "1", "--input-endpoint-prefix", "nothing/");
        await _server.StatusAsync("/health/endpoints/e", 503);
        for (var i = 0; i < 20; i++)
        {
            var (status, body) = await _server.ServeAsync("e", Request);
            Assert.Equal((404, true), (status, body.GetProperty("detail").GetString()!.Contains("begins with 'nothing/'", StringComparison.Ordinal)));
        }
    }

    private async Task CallAsync(int count, string name)
    {
        var failures = new ConcurrentBag<string>();
        await Parallel.ForEachAsync(Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (_, _) =>
        {
            var (status, body) = await _server.ServeAsync(name, Request);
            if (status != 200)
                failures.Add($"{status}: {body}");
        });
        Assert.Empty(failures);
    }

    private async Task<int> CallUntilAsync(string name, CancellationToken stop)
    {
        var count = 0;
        for (; !stop.IsCancellationRequested; count++)
        {
            var (status, body) = await _server.ServeAsync(name, Request);
            Assert.True(status == 200, $"{status}: {body}");
        }

        return count;
    }

    /// <summary>Requests that each model has served.</summary>
    private Dictionary<string, long> Counts()
    {
        using var client = new SluiceClient(_server.Host.GrpcAddress!);
        return client.GetModelStatisticsAsync().GetAwaiter().GetResult()
            .ToDictionary(model => model.Name, model => (long)model.InferenceStats.Success.Count);
    }

    private void AssertSplit(string model, double share, int count)
    {
        var sigma = Math.Sqrt(count * share * (1 - share));
        Assert.InRange(Counts()[model], (count * share) - (3 * sigma), (count * share) + (3 * sigma));
    }
}
