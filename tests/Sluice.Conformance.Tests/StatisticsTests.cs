using System.Text.RegularExpressions;
using Sluice.Client;
using Sluice.Conformance.Tests.Infrastructure;
using Sluice.Protocol.Inference;
using static Sluice.Conformance.Tests.Infrastructure.Requests;

namespace Sluice.Conformance.Tests;

/// <summary>Counting rules of statistics and metrics (spec §0.19, §4).</summary>
[Collection(ConformanceGroup.Name)]
public sealed class StatisticsTests(ConformanceTarget target)
{
    private static readonly string[] Durations =
        ["request_duration_us", "queue_duration_us", "compute_input_duration_us", "compute_infer_duration_us", "compute_output_duration_us"];

    [Fact]
    public async Task S0_19_Counts_OfRequestsItemsAndExecutions()
    {
        var (before, metricsBefore) = (await StatisticsAsync("counted"), await MetricsAsync());
        await InferAsync(3);
        await InferAsync(3);
        await InferAsync(1);
        await Assert.ThrowsAsync<SluiceException>(() => InferAsync(9));

        var (after, metricsAfter) = (await StatisticsAsync("counted"), await MetricsAsync());
        Assert.Equal((7ul, 3ul), (after.InferenceCount - before.InferenceCount, after.ExecutionCount - before.ExecutionCount));
        var (stats, earlier) = (after.InferenceStats, before.InferenceStats);
        Assert.Equal(3ul, stats.Success.Count - earlier.Success.Count);
        Assert.Equal(1ul, stats.Fail.Count - earlier.Fail.Count);
        Assert.True(stats.Fail.Ns > earlier.Fail.Ns, "a refused request takes time too");
        foreach (var (name, then, now) in new[]
        {
            ("queue", earlier.Queue, stats.Queue), ("compute_input", earlier.ComputeInput, stats.ComputeInput),
            ("compute_infer", earlier.ComputeInfer, stats.ComputeInfer), ("compute_output", earlier.ComputeOutput, stats.ComputeOutput),
        })
            Assert.True(now.Count - then.Count == 3, $"{name}: {now.Count} after {then.Count}");
        Assert.Equal(2ul, Batches(after, 3) - Batches(before, 3));
        Assert.Equal(1ul, Batches(after, 1) - Batches(before, 1));
        Assert.True(stats.Success.Ns >= stats.Queue.Ns + stats.ComputeInput.Ns + stats.ComputeInfer.Ns + stats.ComputeOutput.Ns);
        Assert.InRange(after.LastInference, (ulong)DateTimeOffset.UtcNow.AddHours(-1).ToUnixTimeMilliseconds(), (ulong)DateTimeOffset.UtcNow.AddHours(1).ToUnixTimeMilliseconds());

        Assert.Equal(3, Added("nv_inference_request_success", ""));
        Assert.Equal(7, Added("nv_inference_count", ""));
        Assert.Equal(3, Added("nv_inference_exec_count", ""));
        Assert.Equal(1, Added("nv_inference_request_failure", "reason=\"OTHER\","));
        Assert.Equal(0, Added("nv_inference_request_failure", "reason=\"BACKEND\","));

        double Added(string name, string labels) => Value(metricsAfter, name, labels) - Value(metricsBefore, name, labels);
    }

    [Fact]
    public async Task S4_Metrics_EveryLineOfALoadedModel_IsThere()
    {
        await InferAsync(1);
        var text = await MetricsAsync();
        foreach (var name in new[] { "request_success", "count", "exec_count", "pending_request_count" }.Concat(Durations).Select(name => "nv_inference_" + name))
            Assert.Matches(Line($"{name}{{model=\"counted\",version=\"1\"}} \\d+"), text);
        foreach (var reason in new[] { "REJECTED", "CANCELED", "BACKEND", "OTHER" })
            Assert.Matches(Line($"nv_inference_request_failure{{model=\"counted\",reason=\"{reason}\",version=\"1\"}} \\d+"), text);
        Assert.Matches(Line("nv_model_load_duration_secs{model=\"counted\",version=\"1\"} [\\d.e-]+"), text);
        foreach (var name in new[] { "nv_cpu_utilization", "nv_cpu_memory_total_bytes", "nv_cpu_memory_used_bytes", "nv_pinned_memory_pool_total_bytes", "nv_pinned_memory_pool_used_bytes" })
            Assert.Matches(Line($"{name} [\\d.e-]+"), text);
        foreach (var (name, type) in new[] { ("nv_inference_request_success", "counter"), ("nv_inference_pending_request_count", "gauge"), ("nv_model_load_duration_secs", "gauge") })
            Assert.Contains($"# TYPE {name} {type}\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain("nv_inference_request_summary_us", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task S4_Metrics_AreTextOfVersion004()
    {
        using var response = await target.Http.GetAsync(new Uri(target.Metrics, "/metrics"));
        Assert.Equal(200, (int)response.StatusCode);
        Assert.StartsWith("text/plain", response.Content.Headers.ContentType!.ToString(), StringComparison.Ordinal);
        Assert.Contains("charset=utf-8", response.Content.Headers.ContentType!.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task S4_Statistics_WithoutAName_AreOfAllReadyVersions()
    {
        var all = await target.Grpc.GetModelStatisticsAsync();
        Assert.Superset(ConformanceModels.Loadable.Except(["spare"]).ToHashSet(), all.Select(row => row.Name).ToHashSet());
        Assert.Equal(["1", "3"], all.Where(row => row.Name == "versions").Select(row => row.Version).Order(StringComparer.Ordinal));
        Assert.Equal("3", Assert.Single(await target.Grpc.GetModelStatisticsAsync("versions", "3")).Version);
        var json = (await target.GetAsync("/v2/models/stats")).Json;
        Assert.Equal(all.Count, json.GetProperty("model_stats").GetArrayLength());
    }

    [Fact]
    public async Task S4_Statistics_OverHttp_HaveTheSameNamesAndNumbersAsNumbers()
    {
        await InferAsync(2);
        var row = Assert.Single((await target.GetAsync("/v2/models/counted/versions/1/stats")).Json.GetProperty("model_stats").EnumerateArray());
        Assert.Equal(("counted", "1"), (row.GetProperty("name").GetString(), row.GetProperty("version").GetString()));
        Assert.True(row.GetProperty("inference_count").GetUInt64() > 0);
        Assert.True(row.GetProperty("last_inference").GetUInt64() > 0);
        Assert.True(row.GetProperty("inference_stats").GetProperty("success").GetProperty("ns").GetUInt64() > 0);
        Assert.Contains(row.GetProperty("batch_stats").EnumerateArray(), batch => batch.GetProperty("batch_size").GetInt64() == 2);
    }

    [Fact]
    public async Task S4_ResponseStatistics_OfADecoupledModel_AreByResponse()
    {
        var before = await StatisticsAsync("repeat_int32");
        await target.PostAsync("/v2/models/repeat_int32/generate_stream", """{"IN":[1,2],"DELAY":[0,0],"WAIT":0}""");
        var after = await StatisticsAsync("repeat_int32");
        foreach (var index in new[] { "0", "1" })
        {
            var earlier = before.ResponseStats.TryGetValue(index, out var row) ? row.Success.Count : 0;
            Assert.Equal(1ul, after.ResponseStats[index].Success.Count - earlier);
        }
    }

    private static ulong Batches(ModelStatistics model, ulong size) =>
        model.BatchStats.FirstOrDefault(row => row.BatchSize == size)?.ComputeInfer.Count ?? 0;

    private static string Line(string pattern) =>
        $"(?m)^{pattern.Replace("{", "\\{", StringComparison.Ordinal).Replace("}", "\\}", StringComparison.Ordinal)}$";

    private static double Value(string metrics, string name, string labels)
    {
        var match = Regex.Match(metrics, $$"""(?m)^{{name}}\{model="counted",{{labels}}version="1"\} (\d+)$""");
        Assert.True(match.Success, $"{name} {labels}");
        return double.Parse(match.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture);
    }

    private async Task<ModelStatistics> StatisticsAsync(string model) => Assert.Single(await target.Grpc.GetModelStatisticsAsync(model));

    private Task<string> MetricsAsync() => target.Http.GetStringAsync(new Uri(target.Metrics, "/metrics"));

    private Task<ModelInferResponse> InferAsync(int rows) => target.CallAsync<ModelInferResponse>(
        "ModelInfer", Infer("counted", Floats("INPUT0", new float[2 * rows], rows, 2)));
}
