using Sluice.Conformance.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using static Sluice.Conformance.Tests.Infrastructure.Requests;

namespace Sluice.Conformance.Tests;

/// <summary>Answers that are kept, and models that are warmed (spec §3.1, §3.5, §4).</summary>
[Collection(ConformanceGroup.Name)]
public sealed class CacheTests(ConformanceTarget target)
{
    [Fact]
    public async Task S4_CacheHit_CountsAsSuccessWithoutAnExecution()
    {
        var before = await StatisticsAsync("cached");
        for (var i = 0; i < 3; i++)
            Assert.Equal(8, (await target.CallAsync<ModelInferResponse>("ModelInfer", Infer("cached", Floats("INPUT0", [41, 42], 2)))).RawOutputContents[0].Length);
        var after = await StatisticsAsync("cached");
        var (a, b) = (after.InferenceStats, before.InferenceStats);
        Assert.Equal((1ul, 1ul), (after.InferenceCount - before.InferenceCount, after.ExecutionCount - before.ExecutionCount));
        Assert.Equal((3ul, 3ul, 1ul), (a.Success.Count - b.Success.Count, a.Queue.Count - b.Queue.Count, a.ComputeInfer.Count - b.ComputeInfer.Count));
        Assert.Equal((2ul, 1ul), (a.CacheHit.Count - b.CacheHit.Count, a.CacheMiss.Count - b.CacheMiss.Count));
    }

    [Fact]
    public async Task S4_CacheMetrics_OfModelsThatUseIt_Alone()
    {
        using var http = new HttpClient();
        var page = await http.GetStringAsync(new Uri(target.Metrics, "/metrics"));
        foreach (var name in new[] { "nv_cache_num_hits_per_model", "nv_cache_num_misses_per_model", "nv_cache_hit_duration_per_model", "nv_cache_miss_duration_per_model" })
        {
            Assert.Contains($"{name}{{model=\"cached\",version=\"1\"}} ", page, StringComparison.Ordinal);
            Assert.DoesNotContain($"{name}{{model=\"simple\"", page, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task S3_5_Cache_OfADecoupledModel_IsRefused() =>
        Assert.Equal(InferenceCode.InvalidArgument, (await target.FailAsync("RepositoryModelLoad", new RepositoryModelLoadRequest { ModelName = "streamed" })).Code);

    [Fact]
    public async Task S3_5_WarmUp_IsOverBeforeTheModelIsReady_AndNotCounted() => Assert.Equal(0ul, (await StatisticsAsync("warm")).ExecutionCount);

    [Fact]
    public async Task S3_5_WarmUp_ThatFails_FailsTheLoad()
    {
        var (code, text) = await target.FailAsync("RepositoryModelLoad", new RepositoryModelLoadRequest { ModelName = "cold" });
        Assert.Equal(InferenceCode.InvalidArgument, code);
        Expected.Text("load failed for model 'cold'*sample*", text);
    }

    [Fact]
    public async Task S3_5_EnsembleOfAMissingModel_SaysWhichOne()
    {
        var (code, text) = await target.FailAsync("RepositoryModelLoad", new RepositoryModelLoadRequest { ModelName = "dangling" });
        Assert.Equal(InferenceCode.InvalidArgument, code);
        Expected.Text("*ensemble 'dangling' depends on 'nobody' which has no loaded version*", text);
    }

    private async Task<Protocol.Inference.ModelStatistics> StatisticsAsync(string model) => Assert.Single(await target.Grpc.GetModelStatisticsAsync(model));
}
