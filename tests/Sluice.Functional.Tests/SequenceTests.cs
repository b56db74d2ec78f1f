using System.Globalization;
using System.Text.Json;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Protocol.Codec;
using Sluice.Protocol.Inference;
using Sluice.Testing;

namespace Sluice.Functional.Tests;

/// <summary>Sequences over gRPC calls, gRPC streams and HTTP: kept states, slots, ids that are numbers and texts.</summary>
[Collection(ServerGroup.Name)]
public sealed class SequenceTests(ServerFixture server) : IDisposable
{
    private const string Golden = "sequence_accumulate";

    private static long _lastId = 5000;

    private readonly SluiceClient _client = new(server.GrpcAddress);

    public static TheoryData<string> Models => [Golden, "slot_sum", "dyna_sum"];

    public void Dispose()
    {
        _client.Dispose();
        server.ExpectNoErrors();
    }

    [Theory]
    [InlineData("unary")]
    [InlineData("stream")]
    [InlineData("http")]
    public async Task Golden_InterleavedSequences_GiveGoldenSums(string way)
    {
        using var about = JsonDocument.Parse(File.ReadAllText(Path.Combine(GoldenSet.FolderOf("onnx"), Golden, "about.json")));
        var sequences = about.RootElement.GetProperty("sequences").EnumerateArray().Select(Sequence.Read).ToList();
        var steps = Enumerable.Range(0, sequences.Max(sequence => sequence.Inputs.Length))
            .SelectMany(step => sequences.Where(sequence => step < sequence.Inputs.Length).Select(sequence => (sequence, step))).ToList();
        var sums = way switch
        {
            "unary" => await EachAsync(steps, (sequence, step) => InferAsync(sequence.Request(Golden, step))),
            "http" => await EachAsync(steps, (sequence, step) => PostAsync(Golden, sequence, step)),
            _ => await StreamAsync([.. steps.Select(pair => pair.sequence.Request(Golden, pair.step))]),
        };
        Assert.Equal(steps.Select(pair => pair.sequence.Expected[pair.step]), sums);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task ManySequences_AtOnceFromSeveralStreams_KeepTheirSums(string model)
    {
        await Task.WhenAll(Enumerable.Range(0, 12).Select(async _ =>
        {
            var id = Interlocked.Increment(ref _lastId);
            var inputs = Enumerable.Range(1, 20).Select(i => (int)(id % 97) * i).ToArray();
            var sums = await StreamAsync([.. inputs.Select((_, step) => new Sequence($"{id}", inputs, []).Request(model, step))]);
            var expected = inputs.Select((_, step) => inputs[..(step + 1)].Sum()).ToArray();
            if (model == "dyna_sum")
                expected[^1] += (int)id;
            Assert.Equal(expected, sums);
        }));
    }

    [Fact]
    public async Task SlotsOfTwoInstances_SequencesOfCallsInParallel_KeepTheirSums()
    {
        await Task.WhenAll(Enumerable.Range(0, 20).Select(async i =>
        {
            var sequence = new Sequence($"{Interlocked.Increment(ref _lastId)}", [i, i, i, i], []);
            for (var step = 0; step < 4; step++)
                Assert.Equal(i * (step + 1), await InferAsync(sequence.Request("slot_sum", step)));
        }));
    }

    [Fact]
    public async Task TextId_WhereTheModelSeesIt_IsGivenToTheModel()
    {
        var sequence = new Sequence("\"1234\"", [1, 2], []);
        Assert.Equal(1, await InferAsync(sequence.Request("dyna_sum_text", 0)));
        Assert.Equal(1237, await PostAsync("dyna_sum_text", sequence, 1));
        var wrong = await Assert.ThrowsAsync<SluiceException>(() => InferAsync(new Sequence("77", [1], []).Request("dyna_sum_text", 0)));
        Assert.Contains("sequence batching control 'CORRID' data-type is 'UINT64', but model 'dyna_sum_text' expects 'BYTES'", wrong.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Golden)]
    [InlineData("dyna_sum")]
    public async Task Metadata_OfASequenceModel_HasTheClientsTensorsOnly(string model)
    {
        var metadata = await _client.GetModelMetadataAsync(model);
        Assert.Equal("INPUT", Assert.Single(metadata.Inputs).Name);
        Assert.Equal("OUTPUT", Assert.Single(metadata.Outputs).Name);
    }

    [Fact]
    public async Task Controls_SentByAClient_AreRefused()
    {
        var request = new Sequence("88", [1], []).Request("dyna_sum", 0);
        request = new InferRequestMessage
        {
            ModelName = "dyna_sum",
            Parameters = request.Parameters,
            Inputs = [InferInput.Create<int>("INPUT", [1], 1, 1), InferInput.Create<int>("START", [1], 1, 1)],
        };
        var error = await Assert.ThrowsAsync<SluiceException>(() => InferAsync(request));
        Assert.Contains("expected 1 inputs but got 2 inputs", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Iterative_RequestsOnAStream_CountDownStepByStep()
    {
        await using var stream = _client.OpenInferStream(new CallOptions { Timeout = ServerFixture.Patience });
        foreach (var count in new[] { 3, 2 })
            await stream.WriteAsync(new InferRequestMessage
            {
                ModelName = "countdown_steps",
                Id = $"{count}",
                Inputs = [InferInput.Create<int>("INPUT", [count], 1, 1)],
            });
        stream.Complete();
        var answers = new List<(string Id, int Value, bool IsFinal)>();
        while (await stream.ReadAsync() is { } result)
        {
            using (result)
            {
                Assert.Null(result.Error);
                answers.Add((result.Id, result.GetSpan<int>("OUTPUT")[0], result.Parameters["triton_final_response"].BoolParam));
            }
        }

        Assert.Equal([(2, false), (1, false), (0, true)], answers.Where(answer => answer.Id == "3").Select(answer => (answer.Value, answer.IsFinal)));
        Assert.Equal([(1, false), (0, true)], answers.Where(answer => answer.Id == "2").Select(answer => (answer.Value, answer.IsFinal)));
    }

    [Fact]
    public async Task Iterative_StartOfAnIdWhoseCallerGoesMeanwhile_HasItsOwnAnswers()
    {
        const string Pending = "nv_inference_pending_request_count{model=\"countdown_steps\",version=\"1\"}";
        var id = Interlocked.Increment(ref _lastId);
        await using var second = _client.OpenInferStream(new CallOptions { Timeout = ServerFixture.Patience });
        var first = _client.OpenInferStream(new CallOptions { Timeout = ServerFixture.Patience });
        await first.WriteAsync(Countdown(1_000_000_000));
        (await first.ReadAsync())!.Dispose();

        // It reads no more, so that the model stands still with it, and the other one waits behind.
        await second.WriteAsync(Countdown(3));
        await Eventually.TrueAsync(
            () => MetricsPage.ReadAsync(server.Host.MetricsAddress!).Result[Pending] >= 1, () => "the second request does not wait");
        await first.DisposeAsync();
        second.Complete();
        var answers = new List<int>();
        while (await second.ReadAsync() is { } result)
        {
            using (result)
            {
                Assert.Null(result.Error);
                answers.Add(result.GetSpan<int>("OUTPUT")[0]);
            }
        }

        Assert.Equal([2, 1, 0], answers);

        InferRequestMessage Countdown(int count) => new()
        {
            ModelName = "countdown_steps",
            Inputs = [InferInput.Create<int>("INPUT", [count], 1, 1)],
            Parameters = new Dictionary<string, InferParameter>
            {
                ["sequence_id"] = new InferParameter { Int64Param = id },
                ["sequence_start"] = new InferParameter { BoolParam = true },
            },
        };
    }

    [Fact]
    public async Task Iterative_GenerateStream_CountsDown()
    {
        using var http = new HttpClient { BaseAddress = server.Host.HttpAddress };
        using var content = new StringContent("""{"INPUT":2}""");
        using var response = await http.PostAsync("/v2/models/countdown_steps/generate_stream", content);
        var text = await response.Content.ReadAsStringAsync();
        Assert.Equal(["1", "0"], text.Split("\"OUTPUT\":").Skip(1).Select(part => part[..1]));
    }

    [Fact]
    public async Task Statistics_OfASequence_CountRequestsAndExecutions()
    {
        var before = Assert.Single(await _client.GetModelStatisticsAsync(Golden));
        var sequence = new Sequence($"{Interlocked.Increment(ref _lastId)}", [1, 2, 3], []);
        for (var step = 0; step < 3; step++)
            await InferAsync(sequence.Request(Golden, step));
        var after = Assert.Single(await _client.GetModelStatisticsAsync(Golden));
        Assert.Equal((3ul, 3ul), (after.InferenceCount - before.InferenceCount, after.ExecutionCount - before.ExecutionCount));
        Assert.Equal(3ul, after.InferenceStats.Success.Count - before.InferenceStats.Success.Count);
    }

    [Fact]
    public async Task AutoCompletedModel_OfTheEcosystemsExamples_SeesStartAndReady()
    {
        var metadata = await _client.GetModelMetadataAsync("start_plus");
        Assert.Equal(["INPUT"], metadata.Inputs.Select(input => input.Name));
        var sequence = new Sequence($"{Interlocked.Increment(ref _lastId)}", [0, 11, 7], []);
        Assert.Equal([1, 11, 7], await EachAsync(Enumerable.Range(0, 3).Select(step => (sequence, step)), (s, step) => InferAsync(s.Request("start_plus", step))));
    }

    [Fact]
    public async Task Ragged_RequestsOfManyShapesAtOnce_ShareBatchesAndGetTheirOwn()
    {
        var before = Assert.Single(await _client.GetModelStatisticsAsync("ragged"));
        await Task.WhenAll(Enumerable.Range(1, 48).Select(async length =>
        {
            var values = Enumerable.Range(1, length).Select(i => (float)i).ToArray();
            using var result = await _client.InferAsync(new InferRequestMessage
            {
                ModelName = "ragged",
                Inputs = [InferInput.Wrap<float>("INPUT", values, 1, length)],
            });
            Assert.Equal([values.Sum()], result.GetSpan<float>("SUM").ToArray());
            Assert.Equal(values, result.GetSpan<float>("ECHO").ToArray());
            Assert.Equal($"[1,{length}]", result.GetShape("ECHO").ToString());
        }));
        var after = Assert.Single(await _client.GetModelStatisticsAsync("ragged"));
        Assert.Equal(48ul, after.InferenceCount - before.InferenceCount);
        Assert.True(after.ExecutionCount - before.ExecutionCount < 48, $"{after.ExecutionCount - before.ExecutionCount} executions");
    }

    [Fact]
    public async Task Metrics_OfASequenceModel_CountWhatIsUnderWay()
    {
        var sequence = new Sequence($"{Interlocked.Increment(ref _lastId)}", [1, 2], []);
        await InferAsync(sequence.Request("dyna_sum", 0));
        using var http = new HttpClient();
        var text = await http.GetStringAsync(new Uri(server.Host.MetricsAddress!, "/metrics"));
        var line = text.Split('\n').Single(line => line.StartsWith("sluice_sequences{model=\"dyna_sum\"", StringComparison.Ordinal));
        Assert.True(int.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture) >= 1, line);
        Assert.Contains("sluice_sequences_waiting{model=\"dyna_sum\"", text, StringComparison.Ordinal);
        Assert.DoesNotContain("sluice_sequences{model=\"wide\"", text, StringComparison.Ordinal);
        await InferAsync(sequence.Request("dyna_sum", 1));
    }

    private static async Task<List<int>> EachAsync(
        IEnumerable<(Sequence Sequence, int Step)> steps, Func<Sequence, int, Task<int>> infer)
    {
        var sums = new List<int>();
        foreach (var (sequence, step) in steps)
            sums.Add(await infer(sequence, step));
        return sums;
    }

    private async Task<int> InferAsync(InferRequestMessage request)
    {
        using var result = await _client.InferAsync(request);
        return result.GetSpan<int>("OUTPUT")[0];
    }

    private async Task<List<int>> StreamAsync(List<InferRequestMessage> requests)
    {
        await using var stream = _client.OpenInferStream(new CallOptions { Timeout = ServerFixture.Patience });
        foreach (var request in requests)
            await stream.WriteAsync(request);
        stream.Complete();
        var sums = new List<int>();
        while (await stream.ReadAsync() is { } result)
        {
            using (result)
            {
                Assert.Null(result.Error);
                sums.Add(result.GetSpan<int>("OUTPUT")[0]);
            }
        }

        return sums;
    }

    private async Task<int> PostAsync(string model, Sequence sequence, int step)
    {
        using var http = new HttpClient { BaseAddress = server.Host.HttpAddress };
        var json = $$$"""
            {"inputs":[{"name":"INPUT","datatype":"INT32","shape":[1,1],"data":[{{{sequence.Inputs[step]}}}]}],
             "parameters":{"sequence_id":{{{sequence.Id}}},"sequence_start":{{{(step == 0 ? "true" : "false")}}},
             "sequence_end":{{{(step == sequence.Inputs.Length - 1 ? "true" : "false")}}}}}
            """;
        using var content = new StringContent(json);
        using var response = await http.PostAsync($"/v2/models/{model}/infer", content);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        using var document = JsonDocument.Parse(text);
        return document.RootElement.GetProperty("outputs")[0].GetProperty("data")[0].GetInt32();
    }

    /// <param name="Id">As JSON: a number, or a text in quotes.</param>
    /// <param name="Inputs">One value per step.</param>
    /// <param name="Expected">The sums.</param>
    private sealed record Sequence(string Id, int[] Inputs, int[] Expected)
    {
        public static Sequence Read(JsonElement json) => new(
            json.GetProperty("sequence_id").GetString()!,
            [.. json.GetProperty("inputs").EnumerateArray().Select(value => value.GetInt32())],
            [.. json.GetProperty("expected_outputs").EnumerateArray().Select(value => value.GetInt32())]);

        public InferRequestMessage Request(string model, int step) => new()
        {
            ModelName = model,
            Inputs = [InferInput.Create<int>("INPUT", [Inputs[step]], 1, 1)],
            Parameters = new Dictionary<string, InferParameter>
            {
                ["sequence_id"] = Id.StartsWith('"')
                    ? new InferParameter { StringParam = Id.Trim('"') }
                    : new InferParameter { Int64Param = long.Parse(Id, CultureInfo.InvariantCulture) },
                ["sequence_start"] = new InferParameter { BoolParam = step == 0 },
                ["sequence_end"] = new InferParameter { BoolParam = step == Inputs.Length - 1 },
            },
        };
    }
}
