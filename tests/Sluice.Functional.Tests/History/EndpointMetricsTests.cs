using System.Text.Json.Nodes;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Protocol.Metrics.V1;
using Sluice.Rpc.Access;
using Sluice.Rest.Transcoding;

namespace Sluice.Functional.Tests.History;

/// <summary>What the Model Endpoints page reads, over HTTP and gRPC, of models that really ran.</summary>
public sealed class EndpointMetricsTests
{
    [Fact]
    public async Task Models_OfARepository_AreRows_WithTheirCounts()
    {
        await using var server = await HistoryServer.StartAsync(models: "add_sub_int32");
        await server.InferAsync(count: 5);
        for (var i = 0; i < 2; i++)
        {
            using var content = new StringContent("""{"inputs":[]}""");
            using var refused = await server.V2.PostAsync("/v2/models/add_sub_int32/infer", content);
            Assert.Equal(400, (int)refused.StatusCode);
        }

        var list = await server.ListAsync(rows => rows is [{ } one] && (string)one["requestCount"]! == "5");
        var row = Assert.Single(list["endpoints"]!.AsArray())!;
        Assert.Equal(
            ("add_sub_int32", "/v2/models/add_sub_int32", "MODEL", "onnxruntime", "READY", "1", "INT32, INT32"),
            ((string)row["name"]!, (string)row["url"]!, (string)row["kind"]!, (string)row["engine"]!, (string)row["state"]!, (string)row["modelVersion"]!, (string)row["inputType"]!));
        Assert.Equal(("5", 1), ((string)row["requestCount"]!, (int)row["instanceCount"]!));
        Assert.True((double)row["p50Ms"]! > 0 && (double)row["p99Ms"]! >= (double)row["p50Ms"]!, row.ToJsonString());
        Assert.True((double)row["latencyMs"]! > 0);
        Assert.Empty(list["loading"]!.AsArray());

        var details = await server.GetAsync($"/v1/metrics/endpoints/{row["id"]}");
        var instance = Assert.Single(details["instances"]!.AsArray())!;
        Assert.Equal(("here", "READY", "5"), ((string)instance["id"]!, (string)instance["state"]!, (string)instance["requestCount"]!));

        // The same row by the serving calls, where stock pages look.
        var served = Assert.Single((await server.DataAsync("get_endpoints"))["endpoints"]!.AsArray())!;
        Assert.Equal(("add_sub_int32", "/v2/models/add_sub_int32", 5), ((string)served["model"]!, (string)served["url"]!, (int)served["requests"]!));
    }

    /// <summary>An answer that goes on and on ends with the server, in order, and does not hold it up.</summary>
    [Fact]
    public async Task Watch_EndsWhenTheServerStops()
    {
        await using var server = await HistoryServer.StartAsync(models: "add_sub_int32");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/metrics/endpoints:watch");
        using var response = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync());
        Assert.Contains("add_sub_int32", await lines.ReadLineAsync().WaitAsync(ServerFixture.Patience), StringComparison.Ordinal);
        server.HasStopped = await server.Host.StopAsync();
        Assert.True(server.HasStopped);
        while (await lines.ReadLineAsync() is not null)
        {
        }
    }

    /// <summary>An odd canary is a row like others, and the rest of the page and the stop know nothing of it.</summary>
    [Fact]
    public async Task Canary_ThatNamesAnEndpointTwice_IsARow()
    {
        await using var server = await HistoryServer.StartAsync();
        var service = (string)(await server.PostAsync("/v1/services", """{"name":"s"}"""))["id"]!;
        var model = (string)(await server.UploadAsync("add_sub_int32"))["id"]!;
        await server.PostAsync($"/v1/services/{service}/endpoints", $$"""{"engineType":"triton","servingUrl":"a","modelId":"{{model}}"}""");
        await server.PostAsync($"/v1/services/{service}/canaries", """{"endpoint":"c","weights":[0.5,0.5],"loadEndpoints":["a","a"]}""");
        var list = await server.ListAsync(rows => rows.Any(row => (string)row!["name"]! == "c" && (string)row["state"]! == "READY"));
        var arm = Assert.Single(list["endpoints"]!.AsArray().Single(row => (string)row!["name"]! == "c")!["arms"]!.AsArray())!;
        Assert.Equal(("a", 1.0), ((string)arm["endpoint"]!, (double)arm["share"]!));
    }

    [Fact]
    public async Task Models_ThatFail_AreRows_WithTheirReason()
    {
        await using var server = await HistoryServer.StartAsync(change: options =>
        {
            var folder = Path.Combine(options.ModelRepositories[0], "broken", "1");
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, "model.onnx"), "no model");
            return options;
        });
        server.ToleratesErrors = true;
        var list = await server.GetAsync("/v1/metrics/endpoints");
        var row = Assert.Single(list["endpoints"]!.AsArray())!;
        Assert.Equal(("FAILED", 0), ((string)row["state"]!, (int)row["instanceCount"]!));
        Assert.Contains("broken", (string)row["reason"]!, StringComparison.Ordinal);
        Assert.Equal("broken", (string)Assert.Single(list["loading"]!.AsArray())!["endpoint"]!);
        var log = await server.GetAsync($"/v1/metrics/log?endpoint={row["id"]}");
        Assert.Equal((string)row["reason"]!, (string)log["reason"]!);

        // It is no endpoint of the serving calls yet, but one that is on its way.
        Assert.Empty((await server.DataAsync("get_endpoints"))["endpoints"]!.AsArray());
        Assert.Equal("broken", (string)Assert.Single((await server.DataAsync("get_loading_instances"))["instances"]!.AsArray())!["endpoint"]!);
    }

    [Fact]
    public async Task Series_OfAModel_HaveWhatItDid()
    {
        await using var server = await HistoryServer.StartAsync(models: "add_sub_int32");
        var begin = server.Now;
        for (var i = 0; i < 4; i++)
        {
            await server.InferAsync(count: 3);
            server.Clock.Now += TimeSpan.FromSeconds(30);
            await server.SampleAsync();
        }

        var url = Uri.EscapeDataString("/v2/models/add_sub_int32");
        var metrics = string.Join('&', Enum.GetNames<Metric>().Skip(1).Where(name => name != nameof(Metric.FailuresMin)).Select(name => "metrics=" + Snake(name)));
        var answer = await server.GetAsync($"/v1/metrics/series?endpoint={url}&from_ms={begin}&to_ms={server.Now}&interval_ms=40000&{metrics}");
        Assert.Equal("40000", (string)answer["intervalMs"]!);
        var series = answer["series"]!.AsArray().ToDictionary(one => (string)one!["metric"]!, one => one!);
        Assert.Equal(19, series.Count);

        // Samples at 30, 60, 90 and 120 s in intervals of 40 s from 0 on; the last one has just begun.
        Assert.Equal([3, 6, 9], Values(series["REQUESTS"]));
        Assert.Equal([0, 0, 0], Values(series["ERROR_RATE"]));
        foreach (var name in new[] { "LATENCY_MS", "LATENCY_P50", "LATENCY_P90", "LATENCY_P99", "CPU_COUNT", "RAM_TOTAL", "RAM_USED" })
            Assert.All(Values(series[name]), value => Assert.True(value > 0, name));
        Assert.Equal(Environment.ProcessorCount, Values(series["CPU_COUNT"])[0]);
        Assert.Equal([0, 0, 0], Values(series["GPU_COUNT"]));
        Assert.Equal("here", (string)Assert.Single(series["REQUESTS"]["instances"]!.AsArray())!["instance"]!);

        // Counts of intervals compare only when each has as many samples.
        var failures = await server.GetAsync($"/v1/metrics/series?endpoint={url}&from_ms={begin}&to_ms={server.Now + 60_000}&interval_ms=40000&metrics=FAILURES_MIN");
        Assert.Equal("60000", (string)failures["intervalMs"]!);
        Assert.Equal([0, 0, 0], Values(failures["series"]![0]!));

        var map = await server.GetAsync($"/v1/metrics/heat-map?endpoint={url}&from_ms={begin}&to_ms={server.Now + 60_000}");
        Assert.Equal("60000", (string)map["intervalMs"]!);
        var columns = map["columns"]!.AsArray();
        Assert.Equal([3, 6, 3], columns.Select(column => column!["counts"]!.AsArray().Sum(count => (double)count!)));
        Assert.All(columns, column => Assert.Equal(map["upperBoundsMs"]!.AsArray().Count, column!["counts"]!.AsArray().Count));

        var bars = await server.GetAsync($"/v1/metrics/distributions?endpoint={url}&from_ms={begin}");
        Assert.Equal(12, bars["batchRows"]!.AsArray().Sum(bar => (double)bar!["count"]!));
        Assert.Equal(12, bars["queueDelayMs"]!.AsArray().Sum(bar => (double)bar!["count"]!));
        Assert.Equal(12, bars["latencyMs"]!.AsArray().Sum(bar => (double)bar!["count"]!));
        Assert.Equal(1, (double)bars["batchRows"]![0]!["upperBound"]!);
    }

    [Theory]
    [InlineData("/v1/metrics/series?endpoint=u&from_ms=1", 400, "'metrics' has 0 entries")]
    [InlineData("/v1/metrics/series?endpoint=u&from_ms=5&to_ms=5&metrics=REQUESTS", 400, "must be before")]
    [InlineData("/v1/metrics/series?endpoint=u&from_ms=-5&metrics=REQUESTS", 400, "milliseconds since 1970")]
    [InlineData("/v1/metrics/series?from_ms=5&metrics=REQUESTS", 400, "'endpoint' is empty")]
    [InlineData("/v1/metrics/series?endpoint=u&from_ms=5&metrics=METRIC_UNSPECIFIED", 400, "no metric")]
    [InlineData("/v1/metrics/endpoints/nothing", 404, "'nothing'")]
    [InlineData("/v1/metrics/log?endpoint=00000000-0000-0000-0000-000000000000", 404, "00000000")]
    public async Task Questions_ThatDoNotHold_AreRefused(string path, int status, string message)
    {
        await using var server = await HistoryServer.StartAsync();
        using var response = await server.Http.GetAsync(path);
        var text = await response.Content.ReadAsStringAsync();
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Contains(message, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Restart_KeepsTheHistory()
    {
        var folder = Directory.CreateTempSubdirectory("sluice-history-").FullName;
        try
        {
            var clock = new Sluice.Testing.SetTimeProvider();
            var begin = clock.Now.ToUnixTimeMilliseconds();
            await using (var first = await HistoryServer.StartAsync(folder, clock, models: "add_sub_int32"))
            {
                // It stops before the next sample is due; the last one is taken then.
                await first.InferAsync(count: 7);
                await first.DataAsync("container_status_report", """{"container_id": "c", "endpoint_name": "e", "model_name": "m", "endpoint_url": "u", "requests_num": 9}""");
            }

            clock.Now += TimeSpan.FromSeconds(80);
            await using var second = await HistoryServer.StartAsync(folder, clock);
            var own = await second.GetAsync($"/v1/metrics/series?endpoint={Uri.EscapeDataString("/v2/models/add_sub_int32")}&from_ms={begin}&metrics=REQUESTS");
            Assert.Equal([7], Values(own["series"]![0]!));
            var other = await second.GetAsync($"/v1/metrics/series?endpoint=u&from_ms={begin}&metrics=REQUESTS");
            Assert.Equal([9], Values(other["series"]![0]!));

            // Another program's container is still believed alive; the replica that has stopped is not.
            await second.SampleAsync();
            var rows = (await second.DataAsync("get_endpoints"))["endpoints"]!.AsArray();
            Assert.Contains(rows, row => (string)row!["url"]! == "u");
            var status = await second.GetAsync("/v1/metrics/history");
            Assert.Equal((true, "", "0"), ((bool)status["isOn"]!, (string)status["fault"]!, (string)status["droppedCount"]!));
            Assert.True(long.Parse((string)status["sampleCount"]!, System.Globalization.CultureInfo.InvariantCulture) >= 2);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Rows_AreStreamed_AsLines_AndOverGrpc()
    {
        await using var server = await HistoryServer.StartAsync(models: "add_sub_int32");
        using var limit = new CancellationTokenSource(ServerFixture.Patience);
        await using var body = await server.Http.GetStreamAsync("/v1/metrics/endpoints:watch?interval_ms=200", limit.Token);
        using var lines = new StreamReader(body);
        for (var count = 0; ; count++)
        {
            var row = JsonNode.Parse((await lines.ReadLineAsync(limit.Token))!)!["endpoints"]![0]!;
            if (count > 1 && (string)row["requestCount"]! == "2")
                break;
            if (count == 1)
                await server.InferAsync(count: 2);
        }

        using var client = new Sluice.Client.SluiceClient(server.Host.GrpcAddress!);
        var answer = await client.CallAsync(
            "/sluice.metrics.v1.EndpointMetrics/ListServedEndpoints", new ListServedEndpointsRequest(), ListServedEndpointsResponse.Parser);
        Assert.Equal(2, Assert.Single(answer.Endpoints).RequestCount);
    }

    [Fact]
    public async Task Off_ShowsThePresentOnly()
    {
        await using var server = await HistoryServer.StartAsync(
            change: options => options with { Statistics = options.Statistics with { History = new() { IsOn = false } } }, models: "add_sub_int32");
        await server.InferAsync(count: 2);
        await server.SampleAsync();
        Assert.Equal("2", (string)Assert.Single((await server.GetAsync("/v1/metrics/endpoints"))["endpoints"]!.AsArray())!["requestCount"]!);
        var series = await server.GetAsync($"/v1/metrics/series?endpoint=u&from_ms={server.Now - 1000}&metrics=REQUESTS");
        Assert.Empty(series["series"]![0]!["instances"]!.AsArray());
        Assert.False((bool)(await server.GetAsync("/v1/metrics/history"))["isOn"]!);
        Assert.False(File.Exists(Path.Combine(server.Folder, "data", "control-history.db")));
    }

    /// <summary>Nothing of the page's is left to the default of the table of permissions.</summary>
    [Fact]
    public async Task Permissions_NameEveryMethodAndRoute()
    {
        await using var server = await HistoryServer.StartAsync();
        var methods = server.Host.Methods.All.Select(method => method.Path).Where(path => path.Contains("etrics.v1", StringComparison.Ordinal));
        var routes = TranscodedRoutes.Create(server.Host.Methods, Sluice.History.Api.EndpointMetricsApi.Descriptors, "", "")
            .Select(route => $"{route.Method} {route.Pattern}").Where(route => route != "GET /openapi.json");
        var own = methods.Concat(routes).ToList();
        Assert.Equal(16, own.Count);
        Assert.Empty(own.Except(AccessTable.Named));
    }

    private static double[] Values(JsonNode series) => [.. series["total"]!["values"]!.AsArray().Select(value => (double)value!)];

    private static string Snake(string name) =>
        string.Concat(name.Select((letter, i) => (i > 0 && char.IsUpper(letter) ? "_" : "") + char.ToUpperInvariant(letter)));
}
