using System.Net;
using System.Text;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Functional.Tests.Python;
using Sluice.Protocol.Codec;
using Sluice.Server;

namespace Sluice.Functional.Tests.Control;

/// <summary>What the metrics page says of endpoints' calls, on every front.</summary>
[Collection(PythonGroup.Name)]
public sealed class StatisticsTests
{
    private const string Request = """{"INPUT0": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], "INPUT1": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}""";

    private const string Code =
        """
        import numpy

        class Preprocess:
            def preprocess(self, body, state, collect_custom_statistics_fn=None):
                state["x"] = body["x"]
                if collect_custom_statistics_fn:
                    collect_custom_statistics_fn({"half": numpy.float32(body["x"] / 2), "animal": "cat", "odd": object(), "nan": float("nan")})
                return body

            def process(self, data, state, collect_custom_statistics_fn=None):
                return data["x"] if collect_custom_statistics_fn is not None else -1

            def postprocess(self, data, state, collect_custom_statistics_fn=None):
                return {"y": data}
        """;

    [Fact]
    public async Task Variables_OnEveryFront_AreCountedOnTheEndpointThatAnswered()
    {
        await using var server = await StartAsync();
        await server.DoAsync(
            "metrics", "add", "--endpoint", "m/*", "--variable-scalar", "INPUT0=3,7,11", "OUTPUT0=0/20/4", "--variable-value", "OUTPUT1", "absent");
        var model = await server.UploadAsync("add_sub_int32");
        await server.AddAsync("m", "1", model);
        await server.AddAsync("m", "2", model);
        await server.DoAsync("model", "canary", "--endpoint", "c", "--weights", "0", "1", "--input-endpoints", "m/1", "m/2");
        await server.ReadyAsync("c");

        Assert.Equal(200, (await server.ServeAsync("m/1", Request)).Status);
        using var client = new SluiceClient(server.Host.GrpcAddress!);
        await InferAsync(client, "m", "1");
        await StreamAsync(client, "m_1");
        using var http = new HttpClient { BaseAddress = server.Host.HttpAddress };
        Assert.Equal(HttpStatusCode.OK, await PostAsync(http, "/v2/models/m/versions/1/infer"));
        Assert.Equal(200, (await server.ServeAsync("c", Request)).Status);
        await InferAsync(client, "c", "");
        Assert.Equal(HttpStatusCode.OK, await PostAsync(http, "/v2/models/c/infer"));

        var page = await MetricsPage.ReadAsync(server.Host.MetricsAddress!);
        foreach (var (name, count) in new[] { ("m_1", 4), ("m_2", 3) })
        {
            Assert.Equal(count, page[$"{name}:_count_total"]);
            Assert.Equal(count, page[$"{name}:_latency_sum{{le=\"+Inf\"}}"]);
            Assert.Equal(16 * count, page[$"{name}:INPUT0_sum{{le=\"3.0\"}}"]);
            Assert.Equal(4 * count, page[$"{name}:INPUT0_bucket{{le=\"7.0\"}}"]);
            Assert.Equal(5 * count, page[$"{name}:OUTPUT0_bucket{{le=\"10.0\"}}"]);
            Assert.Equal(14, page[$"{name}:OUTPUT1"]);
            Assert.Equal(count, page[$"sluice_endpoint_calls_total{{endpoint=\"{name.Replace('_', '/')}\",outcome=\"ok\"}}"]);
            Assert.Equal(count, page[$"sluice_endpoint_duration_seconds_count{{endpoint=\"{name.Replace('_', '/')}\"}}"]);
        }

        Assert.Equal(3, page["sluice_canary_calls_total{canary=\"c\",endpoint=\"m/2\",outcome=\"ok\"}"]);
        Assert.Equal(3, page["sluice_canary_duration_seconds_count{canary=\"c\",endpoint=\"m/2\"}"]);
        Assert.Equal(7, page["sluice_samples_total{outcome=\"taken\"}"]);

        var exported = await MetricsPage.ReadAsync(server.Host.ExporterAddress!);
        Assert.Equal(4, exported["m_1:_count_total"]);
    }

    [Fact]
    public async Task Failures_AreCountedByWhatTheyWere_AndNotSampled()
    {
        await using var server = await StartAsync();
        await server.AddAsync("m", "1", await server.UploadAsync("add_sub_int32"));
        Assert.Equal(422, (await server.ServeAsync("m/1", """{"INPUT0": "text"}""")).Status);
        using var client = new SluiceClient(server.Host.GrpcAddress!);
        var message = new InferRequestMessage { ModelName = "m_1", Inputs = [OperatedServer.AddSub().Inputs[0]] };
        await Assert.ThrowsAsync<SluiceException>(() => client.InferAsync(message));

        var page = await MetricsPage.ReadAsync(server.Host.MetricsAddress!);
        Assert.Equal(2, page["sluice_endpoint_calls_total{endpoint=\"m/1\",outcome=\"bad_request\"}"]);
        Assert.Equal(0, page["sluice_samples_total{outcome=\"taken\"}"]);
        Assert.False(page.Has("m_1:_count_total"));
    }

    [Fact]
    public async Task DecoupledModels_EachResponseIsSampled_AndTheRequestCountsOnce_OnStreamsAndEvents()
    {
        await using var server = await StartAsync();
        await server.DoAsync("metrics", "add", "--endpoint", "r/*", "--variable-counter", "OUT", "IN", "--variable-scalar", "IDX=0,1,2");
        await server.DoAsync("metrics", "add", "--endpoint", "faulty*", "--variable-counter", "OUT");
        await server.DoAsync("metrics", "add", "--endpoint", "plain*", "--log-freq", "1");
        var model = await server.UploadAsync("add_sub_int32");
        foreach (var (endpoint, version) in new[] { ("r", "1"), ("plain", "") })
            await AddRepeatAsync(server, endpoint, version, model);
        await server.AddAsync(
            "faulty", "", model, "--input-size", "1", "--input-type", "int32", "--input-name", "IN",
            "--output-size", "1", "--output-type", "int32", "--output-name", "OUT", "--aux-config", "backend=\"square\"",
            "model_transaction_policy.decoupled=true", "parameters.CUSTOM_FAIL_COUNT.string_value=\"1\"");
        using var client = new SluiceClient(server.Host.GrpcAddress!);
        Assert.Equal(3, await RepeatAsync(client, "r_1", 3, 4, 5));
        Assert.Equal(0, await RepeatAsync(client, "r_1"));
        Assert.Equal(2, await RepeatAsync(client, "plain", 1, 2));
        Assert.Equal(3, await RepeatAsync(client, "faulty", 3));
        using var http = new HttpClient { BaseAddress = server.Host.HttpAddress };
        using var content = new StringContent("{\"IN\": [10, 20]}", Encoding.UTF8, "application/json");
        using var response = await http.PostAsync("/v2/models/r/versions/1/generate_stream", content);
        Assert.Equal(2, (await response.Content.ReadAsStringAsync()).Split("data:").Length - 1);

        var page = await MetricsPage.ReadAsync(server.Host.MetricsAddress!);
        Assert.Equal(3, page["r_1:_count_total"]);
        Assert.Equal(42, page["r_1:OUT_total"]);
        Assert.Equal(42, page["r_1:IN_total"]);
        Assert.Equal(2, page["r_1:IDX_bucket{le=\"0.0\"}"]);
        Assert.Equal(2, page["r_1:IDX_bucket{le=\"1.0\"}"]);
        Assert.Equal(1, page["r_1:IDX_bucket{le=\"2.0\"}"]);
        Assert.Equal(1, page["plain:_count_total"]);

        // What came before the failure stays sampled; the call has failed, and is none of the sampled ones.
        Assert.Equal(6, page["faulty:OUT_total"]);
        Assert.Equal(0, page["faulty:_count_total"]);
        Assert.Equal(0, page["sluice_endpoint_calls_total{endpoint=\"faulty\",outcome=\"ok\"}"]);
        Assert.Equal(1, page["sluice_endpoint_calls_total{endpoint=\"faulty\",outcome=\"failed\"}"]);
    }

    [Fact]
    public async Task DecoupledModels_AreDrawnOncePerRequest()
    {
        await using var server = await StartAsync();
        await server.DoAsync("metrics", "add", "--endpoint", "r*", "--log-freq", "0.5", "--variable-counter", "OUT", "IN");
        await AddRepeatAsync(server, "r", "", await server.UploadAsync("add_sub_int32"));
        using var client = new SluiceClient(server.Host.GrpcAddress!);
        for (var i = 0; i < 60; i++)
            Assert.Equal(2, await RepeatAsync(client, "r", 1, 1));

        // Drawn for each response, or once more at the end, the three would not agree.
        var page = await MetricsPage.ReadAsync(server.Host.MetricsAddress!);
        var count = page["r:_count_total"];
        Assert.InRange(count, 2, 118);
        Assert.Equal((count, count), (page["r:OUT_total"], page["r:IN_total"]));
    }

    [Fact]
    public async Task Configuration_ChangedWhileServing_HoldsForTheNextCalls()
    {
        await using var server = await StartAsync(options => options with { Statistics = options.Statistics with { LogFrequency = 0 } });
        await server.AddAsync("m", "1", await server.UploadAsync("add_sub_int32"));
        Assert.Equal(200, (await server.ServeAsync("m/1", Request)).Status);
        Assert.False((await MetricsPage.ReadAsync(server.Host.MetricsAddress!)).Has("m_1:_count_total"));

        await server.DoAsync("config", "--metric-log-freq", "1");
        await CallUntilAsync(page => page["m_1:_count_total"] > 0);
        await server.DoAsync("metrics", "add", "--endpoint", "m/1", "--variable-counter", "INPUT1");
        await CallUntilAsync(page => page["m_1:INPUT1_total"] > 0);
        await server.DoAsync("metrics", "remove", "--endpoint", "m/1", "--variable", "INPUT1");
        await CallUntilAsync(page => !page.Has("m_1:INPUT1_total"));
        await server.DoAsync("metrics", "add", "--endpoint", "m/1", "--log-freq", "0");
        var last = -1.0;
        await CallUntilAsync(page => last.Equals(last = page["m_1:_count_total"]));
        await server.DoAsync("model", "remove", "--endpoint", "m/1");
        await server.StatusAsync("/health/endpoints/m/1", 404);
        Assert.DoesNotContain("m_1:", (await MetricsPage.ReadAsync(server.Host.MetricsAddress!)).Text, StringComparison.Ordinal);

        async Task CallUntilAsync(Func<MetricsPage, bool> isRight)
        {
            using var limit = new CancellationTokenSource(ServerFixture.Patience);
            do
            {
                limit.Token.ThrowIfCancellationRequested();
                Assert.Equal(200, (await server.ServeAsync("m/1", Request)).Status);
            }
            while (!isRight(await MetricsPage.ReadAsync(server.Host.MetricsAddress!)));
        }
    }

    [Fact]
    public async Task CodesOwnStatistics_AndVersionsOfMonitors_AreSampled()
    {
        await using var server = await StartAsync();
        var code = Path.Combine(server.Folder, "preprocess.py");
        await File.WriteAllTextAsync(code, Code);
        await server.DoAsync(
            "metrics", "add", "--endpoint", "auto/*", "--variable-scalar", "half=1,2,3", "x=1,2", "--variable-enum", "animal=cat,dog",
            "--variable-value", "y", "odd", "nan");
        await server.DoAsync("model", "auto-update", "--engine", "custom", "--endpoint", "auto", "--project", "tests", "--preprocess", code);
        await server.UploadAsync("add_sub_int32");
        await server.ReadyAsync("auto/1");
        var (status, body) = await server.ServeAsync("auto/1", """{"x": 3}""");
        Assert.Equal((200, 3), (status, body.GetProperty("y").GetInt32()));

        var page = await MetricsPage.ReadAsync(server.Host.MetricsAddress!);
        Assert.Equal(1, page["auto_1:half_bucket{le=\"2.0\"}"]);
        Assert.Equal(1, page["auto_1:x_bucket{le=\"+Inf\"}"]);
        Assert.Equal(1, page["auto_1:animal_bucket{enum=\"cat\"}"]);
        Assert.Equal(3, page["auto_1:y"]);
        Assert.Equal(2, page["sluice_sample_values_ignored_total{reason=\"type\"}"]);
    }

    private static async Task<ControlledServer> StartAsync(Func<ServerOptions, ServerOptions>? change = null)
    {
        var loopback = new IPEndPoint(IPAddress.Loopback, 0);
        var server = await ControlledServer.StartAsync(null, options =>
        {
            options = options with { Metrics = loopback, Statistics = new StatisticsOptions { Port = 0 } };
            return change?.Invoke(options) ?? options;
        });
        await server.CreateServiceAsync();
        return server;
    }

    private static async Task InferAsync(SluiceClient client, string model, string version)
    {
        var inputs = OperatedServer.AddSub().Inputs;
        using var result = await client.InferAsync(new InferRequestMessage { ModelName = model, ModelVersion = version, Inputs = inputs });
        Assert.Equal(Enumerable.Range(1, 16), result.GetSpan<int>("OUTPUT0").ToArray());
    }

    private static async Task StreamAsync(SluiceClient client, string model)
    {
        await using var stream = client.OpenInferStream();
        await stream.WriteAsync(OperatedServer.AddSub(model: model));
        stream.Complete();
        await foreach (var result in stream.ReadAllAsync())
            result.Dispose();
    }

    private static Task AddRepeatAsync(ControlledServer server, string endpoint, string version, string model) => server.AddAsync(
        endpoint, version, model, "--input-size", "-1", "--input-type", "int32", "--input-name", "IN",
        "--output-size", "[1]", "[1]", "--output-type", "int32", "uint32", "--output-name", "OUT", "IDX",
        "--aux-config", "backend=\"repeat\"", "model_transaction_policy.decoupled=true");

    /// <summary>Sends numbers to a decoupled model.</summary>
    /// <returns>Responses.</returns>
    private static async Task<int> RepeatAsync(SluiceClient client, string model, params int[] values)
    {
        await using var stream = client.OpenInferStream();
        await stream.WriteAsync(new InferRequestMessage { ModelName = model, Inputs = [InferInput.Create<int>("IN", values, values.Length)] });
        stream.Complete();
        var count = 0;
        await foreach (var result in stream.ReadAllAsync())
        {
            result.Dispose();
            count++;
        }

        return count;
    }

    private static async Task<HttpStatusCode> PostAsync(HttpClient http, string path)
    {
        string[] inputs =
        [
            .. new[] { "INPUT0", "INPUT1" }.Select((name, i) =>
                $$"""{"name": "{{name}}", "datatype": "INT32", "shape": [1, 16], "data": [{{string.Join(',', i == 0 ? Enumerable.Range(0, 16) : Enumerable.Repeat(1, 16))}}]}"""),
        ];
        using var content = new StringContent($$"""{"inputs": [{{string.Join(',', inputs)}}]}""", Encoding.UTF8, "application/json");
        using var response = await http.PostAsync(path, content);
        return response.StatusCode;
    }
}
