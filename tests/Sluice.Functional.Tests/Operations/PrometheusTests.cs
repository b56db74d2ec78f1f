using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Sluice.Functional.Tests.Control;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Testing;

namespace Sluice.Functional.Tests.Operations;

/// <summary>Debian's Prometheus reads our pages, and answers what dashboards and alerts ask.</summary>
/// <remarks>Where it is not installed the tests pass without a word, unless SLUICE_REQUIRE_CLIENTS is set.</remarks>
public sealed partial class PrometheusTests
{
    private const string Program = "/usr/bin/prometheus";
    private const string Tool = "/usr/bin/promtool";
    private const string Request = """{"INPUT0": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], "INPUT1": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}""";

    private static readonly Dictionary<string, string> Values = new(StringComparer.Ordinal)
    {
        ["__rate_interval"] = "1m",
        ["endpoint"] = "m_1",
        ["variable"] = "INPUT0",
        ["instance"] = ".*",
        ["model"] = ".*",
    };

    private static string Deploy => Path.GetFullPath(
        Path.Combine(Sluice.Testing.GoldenSet.FolderOf("onnx"), "..", "..", "..", "..", "deploy"));

    [Fact]
    public async Task RulesAndConfiguration_AreSound()
    {
        if (!IsThere(Tool))
            return;
        await ForeignProgram.RunAsync(Tool, "check", "rules", Path.Combine(Deploy, "prometheus", "alerts.yml"));
        await ForeignProgram.RunAsync(Tool, "check", "config", Path.Combine(Deploy, "prometheus", "prometheus.yml"));
    }

    /// <summary>How a call can end is either good, the caller's doing, or rings a bell.</summary>
    [Fact]
    public void EveryOutcomeOfAnEndpoint_IsInTheAlertOrLeftOutOnPurpose()
    {
        string[] leftOut = ["ok", "not_found", "bad_request", "cancelled"];
        var rules = File.ReadAllText(Path.Combine(Deploy, "prometheus", "alerts.yml"));
        var alert = Regex.Match(rules, "sluice_endpoint_calls_total\\{outcome=~\"([^\"]*)\"").Groups[1].Value.Split('|');
        var all = Enum.GetNames<EndpointOutcome>().Select(name => Regex.Replace(name, "(?<=.)[A-Z]", "_$0").ToLowerInvariant());
        Assert.Equal(all.Order(), alert.Concat(leftOut).Order());
    }

    [Fact]
    public async Task OwnNames_KeepToPrometheussRules()
    {
        if (!IsThere(Tool))
            return;
        await using var server = await StartAsync();
        var page = await MetricsPage.ReadAsync(server.Host.MetricsAddress!);
        var own = page.Text.Split('\n').Where(line => line.StartsWith("sluice_", StringComparison.Ordinal) || line.Contains(" sluice_", StringComparison.Ordinal));
        var start = new ProcessStartInfo(Tool, ["check", "metrics"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var tool = Process.Start(start)!;
        await tool.StandardInput.WriteAsync(string.Join('\n', own) + "\n");
        tool.StandardInput.Close();
        var said = await tool.StandardOutput.ReadToEndAsync() + await tool.StandardError.ReadToEndAsync();
        await tool.WaitForExitAsync();
        Assert.True(tool.ExitCode == 0 && said.Length == 0, said);
    }

    [Fact]
    public async Task Prometheus_Scrapes_AndAnswersDashboardsAndAlerts()
    {
        if (!IsThere(Program))
            return;
        await using var server = await StartAsync();
        await server.DoAsync("metrics", "add", "--endpoint", "m/*", "--variable-scalar", "INPUT0=3,7,11");
        var model = await server.UploadAsync("add_sub_int32");
        await server.AddAsync("m", "1", model, "--aux-config", "max_batch_size=8", "dynamic_batching.max_queue_delay_microseconds=100");
        await server.DoAsync("model", "canary", "--endpoint", "c", "--weights", "1", "--input-endpoints", "m/1");
        await server.ReadyAsync("c");
        Assert.Equal(200, (await server.ServeAsync("c", Request)).Status);
        using var prometheus = new PrometheusProcess(server.Folder, server.Host.MetricsAddress!);

        Assert.Equal(1, await prometheus.AskAsync("up{job=\"sluice\"}", value => value == 1));
        Assert.Equal(1, await prometheus.AskAsync("{__name__=\"m_1:_count_total\"}", value => value == 1));

        // Traffic between scrapes is what rates are made of.
        using var stop = new CancellationTokenSource();
        var load = LoadAsync(server, stop.Token);
        try
        {
            var share = await prometheus.AskAsync(
                "sum(100 * increase({__name__=\"m_1:INPUT0_bucket\"}[1m]) / increase({__name__=\"m_1:INPUT0_sum\"}[1m]))", value => value > 99);
            Assert.Equal(100, share, 3);
            foreach (var query in Queries("sluice.json").Concat(Queries("endpoints.json")))
                await prometheus.AskAsync(query, _ => true);
            Assert.InRange(
                await prometheus.AskAsync("histogram_quantile(0.5, sum by (le) (rate(sluice_endpoint_duration_seconds_bucket[1m])))", value => value > 0),
                1e-6, 10);
            Assert.True(await prometheus.AskAsync("sum(rate(sluice_canary_calls_total{outcome=\"ok\"}[1m]))", value => value > 0) > 0);
        }
        finally
        {
            await stop.CancelAsync();
            await load;
        }
    }

    /// <summary>The queries of a dashboard, with its variables filled in.</summary>
    private static List<string> Queries(string dashboard)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(Deploy, "grafana", dashboard)));
        var queries = new List<string>();
        foreach (var panel in document.RootElement.GetProperty("panels").EnumerateArray())
        {
            if (!panel.TryGetProperty("targets", out var targets))
                continue;

            // As Grafana reads them: a name goes as far as it can.
            queries.AddRange(targets.EnumerateArray().Select(target => Variable().Replace(
                target.GetProperty("expr").GetString()!, match => Values[match.Groups[1].Value + match.Groups[2].Value])));
        }

        Assert.NotEmpty(queries);
        return queries;
    }

    private static async Task LoadAsync(ControlledServer server, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
            Assert.Equal(200, (await server.ServeAsync("c", Request)).Status);
    }

    private static bool IsThere(string program)
    {
        if (File.Exists(program))
            return true;
        Assert.True(
            string.IsNullOrEmpty(Environment.GetEnvironmentVariable("SLUICE_REQUIRE_CLIENTS")), $"{program} is not there: run scripts/install-test.sh");
        return false;
    }

    private static async Task<ControlledServer> StartAsync()
    {
        var loopback = new IPEndPoint(IPAddress.Loopback, 0);
        var server = await ControlledServer.StartAsync(null, options => options with { Metrics = loopback });
        await server.CreateServiceAsync();
        return server;
    }

    /// <summary>A Prometheus that scrapes one server five times a second.</summary>
    private sealed class PrometheusProcess : IDisposable
    {
        private readonly Process _process;
        private readonly HttpClient _http;

        public PrometheusProcess(string folder, Uri target)
        {
            var configuration = File.ReadAllText(Path.Combine(Deploy, "prometheus", "prometheus.yml"))
                .Replace("localhost:8002", $"{target.Host}:{target.Port}", StringComparison.Ordinal)
                .Replace("scrape_interval: 5s", "scrape_interval: 200ms", StringComparison.Ordinal);
            var file = Path.Combine(folder, "prometheus.yml");
            File.WriteAllText(file, configuration);
            File.Copy(Path.Combine(Deploy, "prometheus", "alerts.yml"), Path.Combine(folder, "alerts.yml"));
            var port = FreePort.Take();
            _http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
            _process = Process.Start(new ProcessStartInfo(Program,
            [
                $"--config.file={file}", $"--storage.tsdb.path={Path.Combine(folder, "tsdb")}", $"--web.listen-address=127.0.0.1:{port}",
                "--log.level=error",
            ]))!;
        }

        /// <summary>Asks until the answer is there and right; several series are added up.</summary>
        public async Task<double> AskAsync(string query, Func<double, bool> isRight)
        {
            var began = Stopwatch.GetTimestamp();
            while (true)
            {
                var (answer, text) = await TryAskAsync(query);
                if (answer is { } value && isRight(value))
                    return value;
                Assert.True(!_process.HasExited && Stopwatch.GetElapsedTime(began) < ServerFixture.Patience, $"{query}: {text}");
                await Task.Yield();
            }
        }

        public void Dispose()
        {
            _process.Kill();
            _process.WaitForExit();
            _process.Dispose();
            _http.Dispose();
        }

        private async Task<(double? Value, string Text)> TryAskAsync(string query)
        {
            string text;
            try
            {
                using var response = await _http.GetAsync("/api/v1/query?query=" + Uri.EscapeDataString(query));
                text = await response.Content.ReadAsStringAsync();
                Assert.True(response.StatusCode != HttpStatusCode.BadRequest, $"{query}: {text}");
                if (response.StatusCode != HttpStatusCode.OK)
                    return (null, text);
            }
            catch (HttpRequestException error)
            {
                return (null, error.Message);
            }

            var results = JsonElement.Parse(text).GetProperty("data").GetProperty("result");
            return (results.GetArrayLength() == 0 ? null : results.EnumerateArray().Sum(one =>
                double.Parse(one.GetProperty("value")[1].GetString()!, CultureInfo.InvariantCulture)), text);
        }
    }

    [GeneratedRegex(@"\$(?:\{(\w+)\}|(\w+))")]
    private static partial Regex Variable();
}
