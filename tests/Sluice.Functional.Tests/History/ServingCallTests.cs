using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Sluice.Server;
using Sluice.Server.Access;

namespace Sluice.Functional.Tests.History;

/// <summary>The seven serving calls over HTTP (spec clearml §6.1), with the original's own numbers (§8).</summary>
public sealed class ServingCallTests
{
    private const string Url = "http://test_url";

    private static readonly string[] Prefixes = ["/", "/v2.31/", "/api/", "/api/v2.31/"];

    [Fact]
    public async Task Reports_OfTwoContainers_GiveTheNumbersOfTheOriginal()
    {
        await using var server = await HistoryServer.StartAsync();
        for (var i = 1; i <= 2; i++)
            await server.DataAsync("register_container", Container(i, ", \"timeout\": 100"));
        for (var i = 1; i <= 2; i++)
            await server.DataAsync("container_status_report", Status(i));

        var row = Assert.Single((await server.DataAsync("get_endpoints"))["endpoints"]!.AsArray(), node => (string)node!["url"]! == Url)!;
        Assert.Equal("""{"endpoint":"my endpoint","model":"my model","url":"http://test_url","instances":2,"uptime_sec":2000,"requests":3000,"requests_min":7.5,"latency_ms":150,"last_update":"2026-03-02T10:00:00.000000"}""", row.ToJsonString());

        var details = await server.DataAsync("get_endpoint_details", $$"""{"endpoint_url": "{{Url}}"}""");
        Assert.Equal(2000, (int)details["uptime_sec"]!);
        Assert.Equal(9_000_000, (int)details["input_size"]!);
        Assert.Equal("some string here", (string)details["preprocess_artifact"]!);
        Assert.Equal(
            ["container_1: 1000 1000 5 100 2 0", "container_2: 2000 2000 10 200 2 0"],
            details["instances"]!.AsArray().Select(node =>
                $"{node!["id"]}: {node["uptime_sec"]} {node["requests"]} {node["requests_min"]} {node["latency_ms"]} {node["cpu_count"]} {node["gpu_count"]}"));

        var to = server.Clock.Now.ToUnixTimeSeconds() + 40;
        foreach (var (metric, title, value) in new (string?, string, double)[]
        {
            (null, "Number of Requests", 3000), ("requests_min", "Requests per Minute", 15), ("latency_ms", "Average Latency (ms)", 150),
            ("cpu_count", "CPU Count", 4), ("gpu_count", "GPU Count", 0), ("cpu_util", "Average CPU Load (%)", 15), ("ram_used", "RAM Used (GB)", 100),
            ("ram_total", "RAM Total (GB)", 100), ("ram_free", "RAM Free (GB)", 0), ("network_rx", "Network Throughput RX (MBps)", 0),
        })
        {
            var type = metric is null ? "" : $", \"metric_type\": \"{metric}\"";
            var history = await server.DataAsync(
                "get_endpoint_metrics_history", $$"""{"endpoint_url": "{{Url}}", "from_date": {{to - 100}}, "to_date": {{to}}, "interval": 1{{type}}}""");
            Assert.Equal(40, (int)history["computed_interval"]!);
            Assert.Equal(title, (string)history["total"]!["title"]!);
            var dates = history["total"]!["dates"]!.AsArray().Select(date => (long)date!).ToList();
            var values = history["total"]!["values"]!.AsArray().Select(number => (double)number!).ToList();
            Assert.Equal(dates.Count, values.Count);

            // The interval that has just begun counts, for it ends with the answer; empty ones are 0, but there are no empty counts of requests.
            Assert.Equal(metric is null ? 1 : 3, dates.Count);
            Assert.Equal(value, values[^1]);
            Assert.Equal(server.Now, dates[^1]);
            Assert.All(values.SkipLast(1), number => Assert.Equal(0, number));
            var instances = history["instances"]!.AsObject();
            Assert.Equal(["container_1", "container_2"], instances.Select(pair => pair.Key));
            Assert.All(instances, pair => Assert.Equal(history["total"]!["dates"]!.ToJsonString(), pair.Value!["dates"]!.ToJsonString()));
        }

        for (var i = 1; i <= 2; i++)
            await server.DataAsync("unregister_container", $$"""{"container_id": "container_{{i}}"}""");
        Assert.DoesNotContain((await server.DataAsync("get_endpoints"))["endpoints"]!.AsArray(), node => (string)node!["url"]! == Url);
        var (status, body) = await server.CallAsync("get_endpoint_details", $$"""{"endpoint_url": "{{Url}}"}""");
        Assert.Equal((400, 400, 1052), (status, (int)body["meta"]!["result_code"]!, (int)body["meta"]!["result_subcode"]!));
    }

    [Fact]
    public async Task Calls_AreServed_UnderEveryPrefix()
    {
        await using var server = await HistoryServer.StartAsync();
        foreach (var prefix in Prefixes)
        {
            var data = await server.DataAsync("register_container", $$"""{"container_id": "{{prefix}}", "endpoint_name": "e", "model_name": "m"}""", prefix);
            Assert.Equal("{}", data.ToJsonString());
            Assert.Contains(
                (await server.DataAsync("get_loading_instances", "", prefix))["instances"]!.AsArray(), node => (string)node!["id"]! == prefix);
        }
    }

    [Fact]
    public async Task Containers_LoadServeAndDie_InTheirTime()
    {
        await using var server = await HistoryServer.StartAsync();
        await server.DataAsync("register_container", """{"container_id": "c", "endpoint_name": "e", "model_name": "m", "input_size": "[1, 2]", "input_type": "float32"}""");
        server.Clock.Now += TimeSpan.FromSeconds(599);
        var loading = Assert.Single((await server.DataAsync("get_loading_instances"))["instances"]!.AsArray())!;
        Assert.Equal(599, (int)loading["age_sec"]!);
        Assert.Equal("[1, 2]", (string)loading["input_size"]!);
        Assert.Null(loading["url"]);

        // It gets an address, and with it another 600 s.
        await server.DataAsync("container_status_report", """{"container_id": "c", "endpoint_name": "e", "model_name": "m", "endpoint_url": "u"}""");
        Assert.Empty((await server.DataAsync("get_loading_instances"))["instances"]!.AsArray());
        var row = Assert.Single((await server.DataAsync("get_endpoints"))["endpoints"]!.AsArray())!;
        Assert.Equal(("u", 0), ((string)row["url"]!, (int)row["requests"]!));
        Assert.Null(row["latency_ms"]);
        server.Clock.Now += TimeSpan.FromSeconds(599);
        Assert.Single((await server.DataAsync("get_endpoints"))["endpoints"]!.AsArray());
        server.Clock.Now += TimeSpan.FromSeconds(1);
        Assert.Empty((await server.DataAsync("get_endpoints"))["endpoints"]!.AsArray());
    }

    [Fact]
    public async Task UnknownContainers_ThatReport_AreEntered_AndRemovingTwiceIsNoFault()
    {
        await using var server = await HistoryServer.StartAsync();
        await server.DataAsync("container_status_report", Status(1));
        Assert.Single((await server.DataAsync("get_endpoints"))["endpoints"]!.AsArray());
        for (var i = 0; i < 2; i++)
            await server.DataAsync("unregister_container", """{"container_id": "container_1"}""");
        Assert.Empty((await server.DataAsync("get_endpoints"))["endpoints"]!.AsArray());
    }

    /// <summary>Id and address are a database's key, and that has a bound in bytes.</summary>
    [Fact]
    public async Task Keys_OfTooManyBytes_AreRefused()
    {
        await using var server = await HistoryServer.StartAsync();
        var (status, body) = await server.CallAsync("container_status_report", $$"""
            {"container_id": "{{new string('é', 700)}}", "endpoint_name": "e", "model_name": "m", "endpoint_url": "{{new string('u', 1001)}}"}
            """);
        Assert.Equal(400, status);
        Assert.Contains("have 2401 bytes together; at most 2400 are taken", body.ToJsonString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("register_container", """{"endpoint_name": "e", "model_name": "m"}""", 12, "Missing required field 'container_id'")]
    [InlineData("container_status_report", """{"container_id": "c", "endpoint_name": "e", "model_name": "m"}""", 12, "Missing required field 'endpoint_url'")]
    [InlineData("register_container", """{"container_id": 5, "endpoint_name": "e", "model_name": "m"}""", 12, "field 'container_id' must be a string, not 5")]
    [InlineData("register_container", """{"container_id": "c", "endpoint_name": "e", "model_name": "m", "timeout": 0}""", 12, "'timeout' must be from 1 to")]
    [InlineData("register_container", """{"container_id": "c", "endpoint_name": "e", "model_name": "m", "reference": [{"type": "file", "value": "x"}]}""", 12, "'type' must be one of")]
    [InlineData("container_status_report", """{"container_id": "c", "endpoint_name": "e", "model_name": "m", "endpoint_url": "u", "machine_stats": {"cpu_usage": [1, "x"]}}""", 12, "'cpu_usage' must be a list of numbers")]
    [InlineData("container_status_report", """{"container_id": "c", "endpoint_name": "e", "model_name": "m", "endpoint_url": "u", "requests_num": -1}""", 12, "'requests_num' must be a number from 0")]
    [InlineData("register_container", """{"container_id": "a\u0000b", "endpoint_name": "e", "model_name": "m"}""", 12, "'container_id' holds a control character")]
    [InlineData("register_container", """{"container_id": "a\ud800", "endpoint_name": "e", "model_name": "m"}""", 12, "'container_id' holds half of a character")]
    [InlineData("get_endpoint_metrics_history", """{"endpoint_url": "u", "from_date": 5, "to_date": 5, "interval": 1}""", 16, "from_date must be earlier than to_date")]
    [InlineData("get_endpoint_metrics_history", """{"endpoint_url": "u", "from_date": 4, "to_date": 5}""", 12, "Missing required field 'interval'")]
    [InlineData("get_endpoint_metrics_history", """{"endpoint_url": "u", "from_date": 4, "to_date": 5, "interval": 1, "metric_type": "x"}""", 12, "'metric_type' must be one of requests, requests_min")]
    [InlineData("get_endpoints", """[1]""", 12, "must be a JSON object")]
    [InlineData("get_endpoints", """{""", 12, "no JSON")]
    public async Task Calls_ThatDoNotHold_AreRefused(string action, string json, int subcode, string message)
    {
        await using var server = await HistoryServer.StartAsync();
        var (status, body) = await server.CallAsync(action, json);
        Assert.Equal((400, 400, subcode), (status, (int)body["meta"]!["result_code"]!, (int)body["meta"]!["result_subcode"]!));
        Assert.Contains(message, (string)body["meta"]!["result_msg"]!, StringComparison.Ordinal);
        Assert.Empty((await server.DataAsync("get_endpoints"))["endpoints"]!.AsArray());
        Assert.Empty((await server.DataAsync("get_loading_instances"))["instances"]!.AsArray());
    }

    [Fact]
    public async Task Texts_AndLists_HaveLimits()
    {
        await using var server = await HistoryServer.StartAsync();
        var text = new string('x', 1025);
        var list = string.Join(',', Enumerable.Repeat("1", 4097));
        foreach (var field in new[]
        {
            $"\"container_id\": \"{text}\"", $"\"model_version\": \"{text}\"", $"\"tags\": [\"{text}\"]", $"\"endpoint_url\": \"{text}{text}\"",
            $"\"tags\": [{string.Join(',', Enumerable.Repeat("\"t\"", 101))}]", $"\"machine_stats\": {{\"cpu_usage\": [{list}]}}",
        })
        {
            var others = new JsonObject { ["container_id"] = "c", ["endpoint_name"] = "e", ["model_name"] = "m", ["endpoint_url"] = "u" };
            foreach (var (name, value) in JsonNode.Parse("{" + field + "}")!.AsObject())
                others[name] = value!.DeepClone();
            var (status, body) = await server.CallAsync("container_status_report", others.ToJsonString());
            Assert.True(status == 400, field[..40] + body);
            Assert.Contains("at most", (string)body["meta"]!["result_msg"]!, StringComparison.Ordinal);
        }

        Assert.Empty((await server.DataAsync("get_endpoints"))["endpoints"]!.AsArray());
    }

    [Fact]
    public async Task Reads_NeedWhatOtherReadsNeed_AndReportsWhatEditsNeed()
    {
        var keys = string.Concat(new[] { "metadata", "control" }.Select(scope =>
            $"{scope}:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes("key-of-" + scope)))}:{scope}\n"));
        await using var server = await HistoryServer.StartAsync(change: options =>
        {
            var file = Path.Combine(Path.GetDirectoryName(options.ModelRepositories[0])!, "keys");
            File.WriteAllText(file, keys);
            return options with { Auth = new AuthOptions { ApiKeysPath = file } };
        });
        var report = """{"container_id": "c", "endpoint_name": "e", "model_name": "m", "endpoint_url": "u"}""";
        foreach (var (key, read, write) in new[] { ("", 401, 401), ("key-of-metadata", 200, 403), ("key-of-control", 403, 200) })
        {
            server.Http.DefaultRequestHeaders.Remove("authorization");
            if (key.Length > 0)
                server.Http.DefaultRequestHeaders.Add("authorization", "Bearer " + key);
            var (status, body) = await server.CallAsync("container_status_report", report);
            Assert.Equal((write, write), (status, (int)body["meta"]!["result_code"]!));
            Assert.Equal(read, (await server.CallAsync("get_endpoints", "{}", "/v2.31/")).Status);
            using var page = await server.Http.GetAsync("/v1/metrics/endpoints");
            Assert.Equal(read, (int)page.StatusCode);
        }
    }

    [Fact]
    public void Options_AreRead()
    {
        var errors = new List<string>();
        var options = OptionSources.Read(
            [("history", "off"), ("history-days", "3"), ("history-folder", "/there"), ("history-max-bytes", "1048576"), ("history-interval-secs", "5")],
            _ => null, null, errors);
        Assert.Empty(errors);
        Assert.Equal(
            new Sluice.History.HistoryOptions
            {
                IsOn = false,
                Retention = TimeSpan.FromDays(3),
                Folder = "/there",
                MaxBytes = 1 << 20,
                Interval = TimeSpan.FromSeconds(5),
            },
            options.Statistics.History);
        Assert.Equal(new Sluice.History.HistoryOptions(), new ServerOptions().Statistics.History);
        foreach (var (name, value) in new[] { ("history-days", "0"), ("history-days", "367"), ("history-max-bytes", "5"), ("history-interval-secs", "0.5"), ("history", "maybe") })
        {
            _ = OptionSources.Read([(name, value)], _ => null, null, errors);
            Assert.Contains(name, Assert.Single(errors), StringComparison.Ordinal);
            errors.Clear();
        }
    }

    [Fact]
    public async Task OtherMethods_AndUnknownCalls_AreRefused()
    {
        await using var server = await HistoryServer.StartAsync();
        using var delete = await server.Http.DeleteAsync("/serving.get_endpoints");
        Assert.Equal(405, (int)delete.StatusCode);
        Assert.Equal(404, (await server.CallAsync("get_everything", "{}")).Status);
    }

    private static string Container(int number, string more = "") =>
        $$"""{"container_id": "container_{{number}}", "endpoint_name": "my endpoint", "endpoint_url": "{{Url}}", "model_name": "my model", "model_source": "s3//my_bucket", "model_version": "3.1.0", "preprocess_artifact": "some string here", "input_type": "another string here", "input_size": 9000000, "tags": ["tag1", "tag2"], "system_tags": null{{more}}}""";

    private static string Status(int number) => Container(
        number,
        $$""", "uptime_sec": {{1000 * number}}, "requests_num": {{1000 * number}}, "requests_min": {{5 * number}}, "latency_ms": {{100 * number}}, "machine_stats": {"cpu_usage": [10, 20], "memory_used": {{50 * 1024}}}""");
}
