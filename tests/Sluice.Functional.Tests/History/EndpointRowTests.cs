using System.Text.Json.Nodes;
using Sluice.Functional.Tests.Control;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Functional.Tests.Python;
using Sluice.Server;
using Sluice.Testing;

namespace Sluice.Functional.Tests.History;

/// <summary>Endpoints, canaries and versions of monitors as rows; what fails and why; replicas of one store.</summary>
[Collection(PythonGroup.Name)]
public sealed class EndpointRowTests
{
    private const string Request = """{"INPUT0": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], "INPUT1": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}""";

    [Fact]
    public async Task EveryKind_IsARow_UnderAnAddressOfItsOwn()
    {
        await using var server = await ControlledServer.StartAsync(models: "square_int32");
        await server.CreateServiceAsync();
        var model = await server.UploadAsync("add_sub_int32");
        await server.AddAsync("m", "1", model, "--input-type", "int32", "int32", "--input-size", "[16]", "[16]", "--input-name", "INPUT0", "INPUT1",
            "--output-type", "int32", "int32", "--output-size", "[16]", "[16]", "--output-name", "OUTPUT0", "OUTPUT1");
        await server.AddAsync("m", "2", model);
        await server.DoAsync("model", "auto-update", "--engine", "triton", "--endpoint", "a", "--max-versions", "1", "--project", "tests");
        await server.ReadyAsync("a/1");
        await server.DoAsync("model", "canary", "--endpoint", "c", "--weights", "0.25", "0.75", "--input-endpoints", "m/2", "m/1");
        await server.ReadyAsync("c");
        for (var i = 0; i < 40; i++)
            Assert.Equal(200, (await server.ServeAsync("c", Request)).Status);
        Assert.Equal(422, (await server.ServeAsync("m/1", """{"INPUT0": 5}""")).Status);

        var rows = await RowsAsync(server, found =>
            found.Count == 5 && (string)found["c"]["requestCount"]! == "40" && (string)found["m/1"]["modelName"]! != "");
        Assert.Equal(
            ["a/1 AUTO_UPDATE /serve/a/1", "c CANARY /serve/c", "m/1 STATIC /serve/m/1", "m/2 STATIC /serve/m/2", "square_int32 MODEL /v2/models/square_int32"],
            rows.Values.Select(row => $"{row["name"]} {row["kind"]} {row["url"]}"));
        Assert.All(rows.Values, row => Assert.Equal(("READY", 1), ((string)row["state"]!, (int)row["instanceCount"]!)));
        Assert.Equal(
            ("triton", "add_sub_int32", model, server.ServiceId, "1", "int32, int32", "[16], [16]"),
            ((string)rows["m/1"]["engine"]!, (string)rows["m/1"]["modelName"]!, (string)rows["m/1"]["modelId"]!, (string)rows["m/1"]["serviceId"]!,
                (string)rows["m/1"]["modelVersion"]!, (string)rows["m/1"]["inputType"]!, (string)rows["m/1"]["inputSize"]!));

        // Calls through the canary count for it and for the endpoint that they went to; the refused one for that only.
        Assert.Equal(40, Count(rows["m/1"], "requestCount") + Count(rows["m/2"], "requestCount"));
        Assert.Equal((1, 0), (Count(rows["m/1"], "failureCount"), Count(rows["c"], "failureCount")));
        Assert.True((double)rows["m/1"]["errorRate"]! > 0);
        var arms = rows["c"]["arms"]!.AsArray().ToDictionary(arm => (string)arm!["endpoint"]!, arm => arm!);
        Assert.Equal((0.75, 0.25), ((double)arms["m/1"]["share"]!, (double)arms["m/2"]["share"]!));
        foreach (var (endpoint, arm) in arms)
        {
            Assert.Equal(Count(rows[endpoint], "requestCount"), Count(arm, "requestCount"));
            Assert.Equal(Math.Round(Count(arm, "requestCount") / 40.0, 4), (double)arm["actualShare"]!);
        }

        // The base of the service's addresses is in them; the same rows, wherever they are served.
        await server.DoAsync("config", "--base-serving-url", "http://models.example:8080/serve/");
        rows = await RowsAsync(server, found => found.TryGetValue("m/1", out var row) && ((string)row["url"]!).StartsWith("http", StringComparison.Ordinal));
        Assert.Equal("http://models.example:8080/serve/m/1", (string)rows["m/1"]["url"]!);
        var only = await GetAsync(server, $"/v1/metrics/endpoints?service_id={server.ServiceId}&kind=CANARY");
        Assert.Equal("c", (string)Assert.Single(only["endpoints"]!.AsArray())!["name"]!);
    }

    [Fact]
    public async Task Code_ThatDoesNotLoad_ShowsItsReason_AndWhatItSaid()
    {
        await using var server = await ControlledServer.StartAsync();
        server.ToleratesErrors = true;
        await server.CreateServiceAsync();
        var code = Path.Combine(server.Folder, "preprocess.py");
        await File.WriteAllTextAsync(code, "print('hello from the code', flush=True)\nraise RuntimeError('no such luck')\n");
        await server.DoAsync("model", "add", "--engine", "custom", "--endpoint", "e", "--preprocess", code);
        var rows = await RowsAsync(server, found => found.TryGetValue("e", out var row) && (string)row["state"]! == "FAILED");
        Assert.Contains("no such luck", (string)rows["e"]["reason"]!, StringComparison.Ordinal);
        Assert.Equal(0, (int)rows["e"]["instanceCount"]!);
        JsonNode log = null!;
        await Eventually.TrueAsync(
            () => (log = GetAsync(server, $"/v1/metrics/log?endpoint={rows["e"]["id"]}").GetAwaiter().GetResult())["lines"]!.AsArray()
                .Any(line => ((string)line!).Contains("hello from the code", StringComparison.Ordinal)),
            () => log.ToJsonString());
        Assert.Contains("no such luck", (string)log["reason"]!, StringComparison.Ordinal);
        var loading = (await GetAsync(server, "/v1/metrics/endpoints"))["loading"]!.AsArray();
        Assert.Equal("FAILED", (string)Assert.Single(loading, one => (string)one!["endpoint"]! == "e")!["state"]!);
    }

    [Fact]
    public async Task Replicas_OfOneStore_AnswerForEachOther()
    {
        using var postgres = PostgresServer.TryStart();
        if (postgres is null)
            return;
        var shared = Directory.CreateTempSubdirectory("sluice-shared-").FullName;
        try
        {
            await using var one = await ControlledServer.StartAsync(change: options => OnPostgres(options, "one"));
            await using (var two = await ControlledServer.StartAsync(change: options => OnPostgres(options, "two")))
            {
                await one.CreateServiceAsync();
                two.ServiceId = one.ServiceId;
                var model = await one.UploadAsync("add_sub_int32");
                await one.AddAsync("m", "1", model);
                await two.ReadyAsync("m/1");
                for (var i = 0; i < 3; i++)
                    Assert.Equal(200, (await one.ServeAsync("m/1", Request)).Status);
                for (var i = 0; i < 5; i++)
                    Assert.Equal(200, (await two.ServeAsync("m/1", Request)).Status);
                using (var report = new StringContent("""{"container_id": "c", "endpoint_name": "e", "model_name": "m", "endpoint_url": "u", "requests_num": 7}"""))
                {
                    using var answer = await two.Http.PostAsync("/serving.container_status_report", report);
                    Assert.True(answer.IsSuccessStatusCode);
                }

                // Each of them says the same: two instances, eight requests, and the container that one of them was told of.
                foreach (var replica in new[] { one, two })
                {
                    var rows = await RowsAsync(replica, found =>
                        found.ContainsKey("e") && found.TryGetValue("m/1", out var row) && (int)row["instanceCount"]! == 2 && Count(row, "requestCount") == 8);
                    var details = await GetAsync(replica, $"/v1/metrics/endpoints/{rows["m/1"]["id"]}");
                    Assert.Equal(["one 3", "two 5"], details["instances"]!.AsArray().Select(instance => $"{instance!["id"]} {instance["requestCount"]}"));
                }

                var begin = DateTimeOffset.UtcNow.AddHours(-1).ToUnixTimeMilliseconds();
                var end = DateTimeOffset.UtcNow.AddMinutes(2).ToUnixTimeMilliseconds();
                await Eventually.TrueAsync(
                    () =>
                    {
                        var series = GetAsync(one, $"/v1/metrics/series?endpoint=/serve/m/1&metrics=REQUESTS&from_ms={begin}&to_ms={end}").GetAwaiter().GetResult()["series"]![0]!;
                        return series["instances"]!.AsArray().Count == 2 && series["total"]!["values"]!.AsArray().Any(value => (double)value! == 8);
                    },
                    () => "the history of both is not there");
            }

            // The one that has stopped in order is gone at once, not after its time.
            _ = await RowsAsync(one, found => found.TryGetValue("m/1", out var row) && (int)row["instanceCount"]! == 1);
        }
        finally
        {
            Directory.Delete(shared, recursive: true);
        }

        ServerOptions OnPostgres(ServerOptions options, string replica) => options with
        {
            Statistics = options.Statistics with { History = options.Statistics.History with { Interval = TimeSpan.FromSeconds(1) } },
            ControlPlane = options.ControlPlane! with
            {
                Store = postgres.Address + ";Database=postgres",
                Artifacts = shared,
                Replica = replica,
                PollPeriod = TimeSpan.FromMilliseconds(200),
            },
        };
    }

    [Fact]
    public async Task Kill_LeavesAHistory_ThatTheNextServerHas()
    {
        var folder = Directory.CreateTempSubdirectory("sluice-history-").FullName;
        try
        {
            string[] arguments =
            [
                "serve", "--model-repository", Directory.CreateDirectory(Path.Combine(folder, "models")).FullName, "--grpc-port", "0", "--http-port", "0", "--metrics-port", "0",
                "--serve-address", "127.0.0.1", "--serve-port", "0", "--data-folder", Path.Combine(folder, "data"), "--history-interval-secs", "1", "--warm-up", "false",
            ];
            var begin = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
            using (var first = new ServerProcess(arguments, ("SLUICE_CONTROL_PLANE", "true")))
            {
                using var http = new HttpClient { BaseAddress = await first.ServeAddressAsync() };
                using var limit = new CancellationTokenSource(ServerFixture.Patience);
                for (var count = 0; ; count++)
                {
                    using var report = new StringContent($$"""{"container_id": "c{{count}}", "endpoint_name": "e", "model_name": "m", "endpoint_url": "u", "requests_num": 7}""");
                    using var answer = await http.PostAsync("/serving.container_status_report", report, limit.Token);
                    Assert.True(answer.IsSuccessStatusCode);
                    var status = JsonNode.Parse(await http.GetStringAsync("/v1/metrics/history", limit.Token))!;
                    if (Count(status, "sampleCount") > 20)
                        break;
                }

                using var kill = System.Diagnostics.Process.Start("kill", ["-KILL", $"{first.Id}"]);
                await first.EndAsync();
            }

            using var second = new ServerProcess(arguments, ("SLUICE_CONTROL_PLANE", "true"));
            using var again = new HttpClient { BaseAddress = await second.ServeAddressAsync() };
            var series = JsonNode.Parse(await again.GetStringAsync(
                $"/v1/metrics/series?endpoint=u&metrics=REQUESTS&from_ms={begin}&to_ms={DateTimeOffset.UtcNow.AddMinutes(2).ToUnixTimeMilliseconds()}"))!;
            Assert.InRange(series["series"]![0]!["instances"]!.AsArray().Count, 20, 100_000);
            Assert.Equal(7, (double)series["series"]![0]!["instances"]![0]!["values"]![0]!);
            Assert.DoesNotContain("The history", second.Errors, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static long Count(JsonNode row, string name) => long.Parse((string)row[name]!, System.Globalization.CultureInfo.InvariantCulture);

    private static async Task<JsonNode> GetAsync(ControlledServer server, string path) => JsonNode.Parse(await server.Http.GetStringAsync(path))!;

    private static async Task<SortedDictionary<string, JsonNode>> RowsAsync(ControlledServer server, Func<SortedDictionary<string, JsonNode>, bool> isThere)
    {
        using var limit = new CancellationTokenSource(ServerFixture.Patience);
        while (true)
        {
            var list = await GetAsync(server, "/v1/metrics/endpoints");
            var rows = new SortedDictionary<string, JsonNode>(
                list["endpoints"]!.AsArray().ToDictionary(row => (string)row!["name"]!, row => row!), StringComparer.Ordinal);
            if (isThere(rows))
                return rows;
            Assert.False(limit.IsCancellationRequested, list.ToJsonString());
        }
    }
}
