using System.Globalization;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Server;
using Sluice.Statistics;

namespace Sluice.Functional.Tests.Operations;

/// <summary>What <c>--metrics-config</c> and its neighbours change on the metrics page (spec §4).</summary>
public sealed class MetricsTests
{
    private static readonly string[] Summaries = ["request", "queue", "compute_input", "compute_infer", "compute_output"];

    [Fact]
    public async Task Summaries_AskedFor_HaveQuantilesSumAndCount()
    {
        await using var server = await OperatedServer.StartAsync((options, _) => options with
        {
            MetricsContent = new MetricsOptions { HasSummaries = true, Quantiles = [0.5, 0.999] },
        });
        using var client = server.CreateClient();
        Assert.Contains("nv_inference_queue_summary_us{model=\"add_sub_int32\",quantile=\"0.5\",version=\"1\"} NaN\n", await ScrapeAsync(server));
        for (var i = 0; i < 3; i++)
            await OperatedServer.InferAsync(client);

        var text = await ScrapeAsync(server);
        foreach (var name in Summaries.Select(stage => $"nv_inference_{stage}_summary_us"))
        {
            Assert.Contains($"# TYPE {name} summary\n", text);
            var middle = Read(text, name + "{model=\"add_sub_int32\",quantile=\"0.5\",version=\"1\"}");
            Assert.InRange(middle, 0, Read(text, name + "{model=\"add_sub_int32\",quantile=\"0.999\",version=\"1\"}"));
            Assert.True(Read(text, name + "_sum{model=\"add_sub_int32\",version=\"1\"}") > 0, name);
            Assert.Equal(3, Read(text, name + "_count{model=\"add_sub_int32\",version=\"1\"}"));
        }

        Assert.InRange(
            Read(text, "nv_inference_request_summary_us_sum{model=\"add_sub_int32\",version=\"1\"}") -
            Read(text, "nv_inference_request_duration_us{model=\"add_sub_int32\",version=\"1\"}"), 0, 3);
    }

    [Fact]
    public async Task Families_SwitchedOff_AreAbsent()
    {
        await using var server = await OperatedServer.StartAsync((options, _) => options with
        {
            MetricsContent = new MetricsOptions { HasCounters = false, ShowsMachine = false },
        });
        var text = await ScrapeAsync(server);

        Assert.DoesNotContain("_duration_us", text);
        Assert.DoesNotContain("nv_cpu_", text);
        Assert.DoesNotContain("summary", text);
        Assert.Contains("nv_inference_request_success", text);
    }

    [Fact]
    public async Task Ports_CountConnectionsAndCallsByStatus()
    {
        await using var server = await OperatedServer.StartAsync();
        using (var client = server.CreateClient())
        {
            await OperatedServer.InferAsync(client);
            await Assert.ThrowsAsync<Client.SluiceException>(() => client.GetModelMetadataAsync("nobody"));
            using var http = server.CreateHttp();
            using var missing = await http.GetAsync(new Uri("/v2/nothing", UriKind.Relative));

            // The answer may be with its client before the server has counted the call.
            string[] counts =
            [
                "sluice_calls_total{code=\"OK\",front_end=\"grpc\"} 1\n", "sluice_calls_total{code=\"NOT_FOUND\",front_end=\"grpc\"} 1\n",
                "sluice_calls_total{code=\"404\",front_end=\"http\"} 1\n", "sluice_calls_active{front_end=\"grpc\"} 0\n",
            ];
            var text = "";
            await Eventually.TrueAsync(
                () =>
                {
                    text = ScrapeAsync(server).GetAwaiter().GetResult();
                    return Array.TrueForAll(counts, count => text.Contains(count, StringComparison.Ordinal));
                },
                () => text);
            Assert.Equal(1, Read(text, "sluice_connections_open{front_end=\"grpc\"}"));
            Assert.Equal(1, Read(text, "sluice_connections_open{front_end=\"http\"}"));
            Assert.Equal(0, Read(text, "sluice_queue_depth"));
            Assert.Equal(8L * 1024 * 1024 * 1024, Read(text, "nv_pinned_memory_pool_total_bytes"));
        }

        await Eventually.TrueAsync(
            () => Read(ScrapeAsync(server).GetAwaiter().GetResult(), "sluice_connections_open{front_end=\"grpc\"}") == 0, () => "still open");
        Assert.Equal(1, Read(await ScrapeAsync(server), "sluice_connections_total{front_end=\"grpc\"}"));
    }

    [Fact]
    public void Flags_OfMetrics_AreRead()
    {
        var errors = new List<string>();
        var metrics = OptionSources.Read(
            [
                ("model-repository", "m"), ("metrics-config", "counter_latencies=false"), ("metrics-config", "summary_latencies=true"),
                ("metrics-config", "histogram_latencies=true"), ("metrics-config", "summary_quantiles=0.25:0.05,0.75:0.01"),
                ("allow-cpu-metrics", "false"), ("metrics-interval-ms", "10"),
            ], _ => null, null, errors).MetricsContent;

        Assert.Empty(errors);
        Assert.Equal((false, true, true, false), (metrics.HasCounters, metrics.HasSummaries, metrics.HasHistograms, metrics.ShowsMachine));
        Assert.Equal([0.25, 0.75], metrics.Quantiles.ToArray());
        Assert.Equal(TimeSpan.FromMilliseconds(10), metrics.Interval);
    }

    [Theory]
    [InlineData("summary_quantiles=0.5")]
    [InlineData("summary_quantiles=1.5:0.1")]
    [InlineData("nonsense=true")]
    public void Flags_ThatAreWrong_AreRefused(string value)
    {
        var errors = new List<string>();
        OptionSources.Read([("model-repository", "m"), ("metrics-config", value)], _ => null, null, errors);
        Assert.StartsWith($"--metrics-config: '{value}' must", Assert.Single(errors), StringComparison.Ordinal);
    }

    private static double Read(string text, string series)
    {
        var line = text.Split('\n').Single(line => line.StartsWith(series + " ", StringComparison.Ordinal));
        return double.Parse(line[(series.Length + 1)..], CultureInfo.InvariantCulture);
    }

    private static async Task<string> ScrapeAsync(OperatedServer server)
    {
        using var http = new HttpClient();
        return await http.GetStringAsync(new Uri(server.Host.MetricsAddress!, "/metrics"));
    }
}
