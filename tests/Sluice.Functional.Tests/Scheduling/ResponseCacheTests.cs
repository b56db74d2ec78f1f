using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Models;
using Sluice.Protocol.Codec;
using Sluice.Protocol.Inference;
using Sluice.Scheduling.Cache;
using static Sluice.Functional.Tests.Infrastructure.WrittenModels;

namespace Sluice.Functional.Tests.Scheduling;

/// <summary>The response cache through real sockets (spec §3.5, §4).</summary>
public sealed class ResponseCacheTests : IAsyncLifetime
{
    private const long SizeBytes = 64 * 1024;

    private OwnServer _server = null!;

    public async Task InitializeAsync()
    {
        _server = await OwnServer.StartAsync(
            options => options with
            {
                ModelControlMode = ModelControlMode.Explicit,
                Cache = new CacheOptions { SizeBytes = SizeBytes },
                Metrics = new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0),
                MetricsContent = options.MetricsContent with { HasSummaries = true },
            },
            "add_sub_int32", "square_int32");
        Write(_server.Repository, "copy", Identity("TYPE_FP32", "-1", "response_cache { enable: true } parameters { key: \"execute_delay_ms\" value { string_value: \"20\" } }"));
        await _server.Grpc.LoadModelAsync("copy");
    }

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task EqualRequests_AreComputedOnce_AndCounted()
    {
        await InferAsync("a", 1, 2, 3);
        await InferAsync("b", 1, 2, 3);
        await InferAsync("c", 1, 2, 4);
        var statistics = Assert.Single(await _server.Grpc.GetModelStatisticsAsync("copy"));
        Assert.Equal((2ul, 2ul), (statistics.InferenceCount, statistics.ExecutionCount));
        var stats = statistics.InferenceStats;
        Assert.Equal((3ul, 3ul, 2ul), (stats.Success.Count, stats.Queue.Count, stats.ComputeInfer.Count));
        Assert.Equal((1ul, 2ul), (stats.CacheHit.Count, stats.CacheMiss.Count));
        Assert.True(stats.CacheHit.Ns > 0 && stats.CacheMiss.Ns > 0);

        using var http = new HttpClient();
        var page = await http.GetStringAsync(new Uri(_server.Host.MetricsAddress!, "/metrics"));
        const string Labels = "{model=\"copy\",version=\"1\"}";
        Assert.Contains($"nv_cache_num_hits_per_model{Labels} 1\n", page, StringComparison.Ordinal);
        Assert.Contains($"nv_cache_num_misses_per_model{Labels} 2\n", page, StringComparison.Ordinal);
        Assert.Contains($"nv_cache_hit_duration_per_model{Labels}", page, StringComparison.Ordinal);
        Assert.Contains($"nv_cache_miss_duration_per_model{Labels}", page, StringComparison.Ordinal);
        Assert.Contains("nv_cache_hit_summary_per_model{model=\"copy\",quantile=\"0.5\",version=\"1\"}", page, StringComparison.Ordinal);
        Assert.Contains($"nv_cache_miss_summary_per_model_count{Labels} 2", page, StringComparison.Ordinal);
        Assert.DoesNotContain("nv_inference_request_summary_us{model=\"copy\"", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task EqualRequests_AtTheSameTime_AreComputedOnce()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => InferAsync($"r{i}", 7, 8)));
        Assert.All(answers, answer => Assert.Equal([7f, 8f], answer));
        var statistics = Assert.Single(await _server.Grpc.GetModelStatisticsAsync("copy"));
        Assert.Equal((1ul, 20ul), (statistics.ExecutionCount, statistics.InferenceStats.Success.Count));
    }

    [Fact]
    public async Task OtherShapesParametersOrOutputs_AreOtherRequests()
    {
        Write(_server.Repository, "grid", Identity("TYPE_FP32", "[ -1, -1 ]", "response_cache { enable: true }"));
        Write(_server.Repository, "sums", File.ReadAllText(Path.Combine(_server.Repository, "add_sub_int32", "config.pbtxt"))
            .Replace("add_sub_int32", "sums", StringComparison.Ordinal) + "response_cache { enable: true }");
        File.Copy(Path.Combine(_server.Repository, "add_sub_int32", "1", "model.onnx"), Path.Combine(_server.Repository, "sums", "1", "model.onnx"));
        await _server.Grpc.LoadModelAsync("grid");
        await _server.Grpc.LoadModelAsync("sums");
        foreach (var shape in new long[][] { [2, 3], [3, 2], [2, 3], [1, 6] })
        {
            using var answer = await _server.Grpc.InferAsync(SampleRequests.Floats("grid", "g", [1, 2, 3, 4, 5, 6], shape));
            Assert.Equal(shape, answer.GetShape("OUTPUT0").Dimensions.ToArray());
        }

        await CountAsync("grid", hits: 1, misses: 3);
        foreach (var outputs in new string[][] { [], ["OUTPUT1"], ["OUTPUT0"], ["OUTPUT1"] })
        {
            using var answer = await _server.Grpc.InferAsync(new InferRequestMessage
            {
                ModelName = "sums",
                Inputs = [InferInput.Create<int>("INPUT0", new int[16], 1, 16), InferInput.Create<int>("INPUT1", new int[16], 1, 16)],
                Outputs = outputs,
            });
            Assert.Equal(outputs.Length == 0 ? 2 : 1, answer.OutputCount);
        }

        await CountAsync("sums", hits: 1, misses: 3);
        foreach (var value in new long[] { 1, 2, 1 })
        {
            var request = SampleRequests.Floats("copy", "p", [9], 1);
            (await _server.Grpc.InferAsync(new InferRequestMessage
            {
                ModelName = "copy",
                Inputs = request.Inputs,
                Parameters = new Dictionary<string, InferParameter> { ["mode"] = new() { Int64Param = value } },
            })).Dispose();
        }

        await CountAsync("copy", hits: 1, misses: 2);
    }

    [Fact]
    public async Task Reload_NeverAnswersWithTheOldVersion()
    {
        using (var first = await _server.Grpc.InferAsync(SampleRequests.Floats("copy", "a", [1], 1)))
            Assert.Equal(1, first.GetSpan<float>("OUTPUT0")[0]);
        var request = new RepositoryModelLoadRequest { ModelName = "copy" };
        request.Parameters["config"] = new ModelRepositoryParameter
        {
            StringParam = """{"backend":"identity","response_cache":{"enable":true},"input":[{"name":"INPUT0","data_type":"TYPE_FP32","dims":[-1]}],"output":[{"name":"OUTPUT0","data_type":"TYPE_FP32","dims":[-1]}]}""",
        };
        await _server.CallAsync<RepositoryModelLoadResponse>("RepositoryModelLoad", request);
        await InferAsync("b", 1);
        await CountAsync("copy", hits: 0, misses: 1);
    }

    [Fact]
    public async Task ReloadOfAStep_NeverAnswersWithTheOldStep()
    {
        const string Tensors = "input [ { name: \"INPUT0\" data_type: TYPE_INT32 dims: 1 }, { name: \"INPUT1\" data_type: TYPE_INT32 dims: 1 } ]\n" +
            "output [ { name: \"OUTPUT0\" data_type: TYPE_INT32 dims: 1 }, { name: \"OUTPUT1\" data_type: TYPE_INT32 dims: 1 } ]\n";
        const string Maps = "input_map { key: \"INPUT0\" value: \"INPUT0\" } input_map { key: \"INPUT1\" value: \"INPUT1\" } " +
            "output_map { key: \"OUTPUT0\" value: \"OUTPUT0\" } output_map { key: \"OUTPUT1\" value: \"OUTPUT1\" }";
        foreach (var (name, step, extra) in new[]
            { ("near", "leaf", "response_cache { enable: true }"), ("between", "leaf", ""), ("far", "between", "response_cache { enable: true }") })
            Write(_server.Repository, name, $"platform: \"ensemble\" {extra} {Tensors} ensemble_scheduling {{ step {{ model_name: \"{step}\" {Maps} }} }}");
        Write(_server.Repository, "leaf", $"backend: \"identity\" {Tensors}");
        await _server.Grpc.LoadModelAsync("near");
        await _server.Grpc.LoadModelAsync("far");
        Assert.Equal([3, 3, 3, 3], await AnswersAsync());
        await CountAsync("near", hits: 1, misses: 1);
        await CountAsync("far", hits: 1, misses: 1);

        Write(_server.Repository, "leaf", $"backend: \"distributed_addsub\" {Tensors}");
        await _server.Grpc.LoadModelAsync("leaf");
        Assert.Equal([7, 7, 7, 7], await AnswersAsync());

        // What is between keeps no answers and goes on.
        await CountAsync("far", hits: 1, misses: 1);
        Assert.Equal(2ul, Assert.Single(await _server.Grpc.GetModelStatisticsAsync("between")).InferenceCount);

        async Task<List<int>> AnswersAsync()
        {
            var answers = new List<int>();
            foreach (var model in new[] { "near", "near", "far", "far" })
                answers.Add(await AnswerAsync(model));
            return answers;
        }

        async Task<int> AnswerAsync(string model)
        {
            using var answer = await _server.Grpc.InferAsync(new InferRequestMessage
            {
                ModelName = model,
                Inputs = [InferInput.Create<int>("INPUT0", [3], 1), InferInput.Create<int>("INPUT1", [4], 1)],
            });
            return answer.GetSpan<int>("OUTPUT0")[0];
        }
    }

    [Fact]
    public async Task Full_DropsWhatWasNotUsedLongest_AndTakesNothingLargerThanItself()
    {
        var large = new float[SizeBytes / 4];
        await InferAsync("l", large);
        await InferAsync("l", large);
        await CountAsync("copy", hits: 0, misses: 2);
        for (var i = 0; i < 40; i++)
        {
            // About 4 KiB each with request and answer, so 15 have room; the first one is used again and again.
            await InferAsync("x", [.. Enumerable.Repeat((float)i, 500)]);
            await InferAsync("y", [.. Enumerable.Repeat(0f, 500)]);
        }

        await CountAsync("copy", hits: 40, misses: 42);
        await InferAsync("z", [.. Enumerable.Repeat(1f, 500)]);
        await CountAsync("copy", hits: 40, misses: 43);
    }

    [Fact]
    public async Task Ensemble_IsCachedAsAWhole()
    {
        Write(_server.Repository, "doubling", Doubling.Replace("max_batch_size: 8", "max_batch_size: 8 response_cache { enable: true }", StringComparison.Ordinal));
        await _server.Grpc.LoadModelAsync("doubling");
        for (var i = 0; i < 3; i++)
        {
            using var answer = await _server.Grpc.InferAsync(new InferRequestMessage
            {
                ModelName = "doubling",
                Inputs = [InferInput.Create<int>("A", [.. Enumerable.Range(0, 16)], 1, 16), InferInput.Create<int>("B", new int[16], 1, 16)],
            });
            Assert.Equal(30, answer.GetSpan<int>("OUTPUT0")[15]);
        }

        await CountAsync("doubling", hits: 2, misses: 1);
        Assert.Equal(2ul, Assert.Single(await _server.Grpc.GetModelStatisticsAsync("add_sub_int32")).InferenceCount);
    }

    [Theory]
    [InlineData("model_transaction_policy { decoupled: true }", "model 'wrong' is decoupled, so it cannot have 'response_cache'")]
    public async Task Config_WhereACacheMakesNoSense_IsRefused(string extra, string expected)
    {
        Write(_server.Repository, "wrong", Identity("TYPE_FP32", "-1", "response_cache { enable: true } " + extra));
        var failure = await Assert.ThrowsAsync<SluiceException>(() => _server.Grpc.LoadModelAsync("wrong"));
        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
        _server.ExpectErrors();
    }

    [Fact]
    public async Task Lifetime_Ends()
    {
        await using var other = await OwnServer.StartAsync(options => options with
        {
            ModelControlMode = ModelControlMode.Explicit,
            Cache = new CacheOptions { SizeBytes = SizeBytes, Lifetime = TimeSpan.FromTicks(1) },
            ModelRepositories = [_server.Repository],
        }, "wide");
        await other.Grpc.LoadModelAsync("copy");
        for (var i = 0; i < 3; i++)
            (await other.Grpc.InferAsync(SampleRequests.Floats("copy", "a", [1], 1))).Dispose();
        Assert.Equal(0ul, Assert.Single(await other.Grpc.GetModelStatisticsAsync("copy")).InferenceStats.CacheHit.Count);
    }

    private async Task<float[]> InferAsync(string id, params float[] data)
    {
        using var answer = await _server.Grpc.InferAsync(SampleRequests.Floats("copy", id, data, data.Length));
        Assert.Equal(id, answer.Id);
        Assert.True(answer.Parameters.ContainsKey("param0"));
        return answer.GetSpan<float>("OUTPUT0").ToArray();
    }

    private async Task CountAsync(string model, ulong hits, ulong misses)
    {
        var stats = Assert.Single(await _server.Grpc.GetModelStatisticsAsync(model)).InferenceStats;
        Assert.Equal((hits, misses), (stats.CacheHit.Count, stats.CacheMiss.Count));
    }
}
