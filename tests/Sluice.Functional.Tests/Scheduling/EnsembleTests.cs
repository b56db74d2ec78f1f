using System.Text.Json;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Protocol.Codec;
using Sluice.Server.Tracing;
using static Sluice.Functional.Tests.Infrastructure.WrittenModels;

namespace Sluice.Functional.Tests.Scheduling;

/// <summary>Ensembles through real sockets (spec §3.5): what they answer, how they fail, what they count.</summary>
public sealed class EnsembleTests : IAsyncLifetime
{
    private OwnServer _server = null!;

    public async Task InitializeAsync() => _server = await OwnServer.StartAsync(
        options => options with { ModelControlMode = ModelControlMode.Explicit, AllowClientShm = true }, "add_sub_int32", "slow", "square_faulty", "square_int32", "repeat_int32");

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task Ensemble_OfTheWellKnownShape_Answers()
    {
        await LoadAsync("doubling", Doubling);
        using (var answer = await _server.Grpc.InferAsync(Doubled("doubling", rows: 3)))
        {
            Assert.Equal(("doubling", "1", "q"), (answer.ModelName, answer.ModelVersion, answer.Id));
            Assert.Equal([3, 16], answer.GetShape("OUTPUT0").Dimensions.ToArray());
            Assert.Equal(Enumerable.Range(0, 48).Select(i => 2 * i), answer.GetSpan<int>("OUTPUT0").ToArray());
            Assert.Equal(Enumerable.Range(0, 48).Select(i => 2 * (1000 - i)), answer.GetSpan<int>("OUTPUT1").ToArray());
        }

        var metadata = await _server.Grpc.GetModelMetadataAsync("doubling");
        Assert.Equal("ensemble", metadata.Platform);
        Assert.Equal([-1, 16], metadata.Inputs[0].Shape);
        var config = await _server.Grpc.GetModelConfigAsync("doubling");
        Assert.Equal(2, config.EnsembleScheduling.Step.Count);
        var json = $$"""{"inputs":[{{JsonInput("A", 16)}},{{JsonInput("B", 16)}}],"outputs":[{"name":"OUTPUT1"}]}""";
        var (status, text) = await _server.PostAsync("/v2/models/doubling/infer", json);
        Assert.Equal(200, status);
        var output = Assert.Single(JsonDocument.Parse(text).RootElement.GetProperty("outputs").EnumerateArray());
        Assert.Equal("OUTPUT1", output.GetProperty("name").GetString());
    }

    [Fact]
    public async Task Ensemble_CountsItselfAndItsSteps()
    {
        await LoadAsync("doubling", Doubling);
        for (var i = 0; i < 5; i++)
            (await _server.Grpc.InferAsync(Doubled("doubling", rows: 2))).Dispose();
        var own = Assert.Single(await _server.Grpc.GetModelStatisticsAsync("doubling"));
        var step = Assert.Single(await _server.Grpc.GetModelStatisticsAsync("add_sub_int32"));
        Assert.Equal((10ul, 5ul, 5ul), (own.InferenceCount, own.ExecutionCount, own.InferenceStats.Success.Count));
        Assert.Equal((20ul, 10ul), (step.InferenceCount, step.InferenceStats.Success.Count));
        Assert.Equal((5ul, 0ul), (own.InferenceStats.Queue.Count, own.InferenceStats.Queue.Ns));

        // What the steps computed is what the ensemble computed.
        Assert.Equal(step.InferenceStats.ComputeInfer.Ns, own.InferenceStats.ComputeInfer.Ns);
        Assert.True(own.InferenceStats.Success.Ns >= own.InferenceStats.ComputeInfer.Ns);
        Assert.Equal((2ul, 5ul), (Assert.Single(own.BatchStats).BatchSize, own.BatchStats[0].ComputeInfer.Count));
    }

    [Fact]
    public async Task Ensemble_LargeTensorsAndManyCallers_NoBufferIsLostOrMixedUp()
    {
        Write(_server.Repository, "copy", Identity("TYPE_FP32", "-1", "max_batch_size: 8 dynamic_batching { }"));
        await LoadAsync("chain", Chain("TYPE_FP32", "-1", "max_batch_size: 4", ("copy", "INPUT0", "OUTPUT0"), ("copy", "INPUT0", "OUTPUT0"), ("copy", "INPUT0", "OUTPUT0")));
        await Task.WhenAll(Enumerable.Range(0, 16).Select(async caller =>
        {
            for (var i = 0; i < 40; i++)
            {
                var data = Enumerable.Range(0, caller % 2 == 0 ? 20_000 : 7).Select(x => (float)((caller * 1000) + i + x)).ToArray();
                using var answer = await _server.Grpc.InferAsync(new InferRequestMessage { ModelName = "chain", Inputs = [InferInput.Wrap<float>("IN", data, 1, data.Length)] });
                Assert.True(answer.GetSpan<float>("OUT").SequenceEqual(data));
            }
        }));
    }

    [Fact]
    public async Task Ensemble_OfEnsembles_NamesEachInAnError()
    {
        await LoadAsync("inner", Chain("TYPE_INT32", "1", "model_transaction_policy { decoupled: true }", ("square_faulty", "IN", "OUT")));
        await LoadAsync("outer", Chain("TYPE_INT32", "1", "model_transaction_policy { decoupled: true }", ("inner", "IN", "OUT")));
        await using var stream = _server.Grpc.OpenInferStream();
        await stream.WriteAsync(SampleRequests.Square("a", 4, "outer"));
        var answers = await SampleRequests.NextAsync(stream, 2);
        Assert.Equal("a:4", answers[0]);
        Assert.StartsWith("a:in ensemble 'outer', in ensemble 'inner', ", answers[1], StringComparison.Ordinal);
        Assert.EndsWith("!", answers[1], StringComparison.Ordinal);
        stream.Complete();
        Assert.Null(await SampleRequests.NextAsync(stream));
    }

    [Fact]
    public async Task Ensemble_OfADecoupledEnsemble_ItsTensorsStayUntilTheStepsBehindHaveReadThem()
    {
        // The copies queue behind each other, long after the inner ensemble could have made its next response.
        Write(_server.Repository, "late", Identity("TYPE_INT32", "1", "parameters { key: \"execute_delay_ms\" value { string_value: \"10\" } }"));
        await LoadAsync("inner", Repeating("{ model_name: \"repeat_int32\" @ output_map { key: \"OUT\" value: \"OUT\" } }"));
        await LoadAsync("outer", Repeating(
            "{ model_name: \"inner\" @ output_map { key: \"OUT\" value: \"each\" } }, " +
            "{ model_name: \"late\" input_map { key: \"INPUT0\" value: \"each\" } output_map { key: \"OUTPUT0\" value: \"OUT\" } }"));
        await LoadAsync("outermost", Repeating("{ model_name: \"outer\" @ output_map { key: \"OUT\" value: \"OUT\" } }"));
        await using var stream = _server.Grpc.OpenInferStream();
        foreach (var model in new[] { "outer", "outermost" })
        {
            int[] values = [.. Enumerable.Range(100, 12)];
            await stream.WriteAsync(SampleRequests.Repeat(model, values, wantsEmptyFinal: true, model: model));
            Assert.Equal([.. values.Select(value => $"{model}:{value}"), $"{model}:none!"], await SampleRequests.NextAsync(stream, 13));
        }

        stream.Complete();
    }

    [Theory]
    [InlineData("model_transaction_policy { decoupled: true }")]
    [InlineData("")]
    public async Task Ensemble_WithADecoupledStep_IsDecoupled_AndAnswersPerResponse(string policy)
    {
        Write(_server.Repository, "number", Identity("TYPE_INT32", "1", ""));
        await LoadAsync("squares", Chain(
            "TYPE_INT32", "1", policy, ("number", "INPUT0", "OUTPUT0"), ("square_int32", "IN", "OUT"), ("number", "INPUT0", "OUTPUT0")));
        Assert.True((await _server.Grpc.GetModelConfigAsync("squares")).ModelTransactionPolicy.Decoupled);
        await using var stream = _server.Grpc.OpenInferStream();
        await stream.WriteAsync(SampleRequests.Square("a", 3, "squares", wantsEmptyFinal: true));
        Assert.Equal(["a:3", "a:3", "a:3", "a:none!"], await SampleRequests.NextAsync(stream, 4));
        await stream.WriteAsync(SampleRequests.Square("b", 0, "squares", wantsEmptyFinal: true));
        Assert.Equal("b:none!", await SampleRequests.NextAsync(stream));
        var failure = await Assert.ThrowsAsync<SluiceException>(() => _server.Grpc.InferAsync(SampleRequests.Square("c", 1, "squares")));
        Assert.Equal((InferenceCode.Unimplemented, "ModelInfer RPC doesn't support models with decoupled transaction policy"), (failure.Code, failure.Message));
        stream.Complete();
        Assert.Null(await SampleRequests.NextAsync(stream));
        var own = Assert.Single(await _server.Grpc.GetModelStatisticsAsync("squares"));
        Assert.Equal((2ul, 3), (own.InferenceStats.Success.Count, own.ResponseStats.Count));
    }

    [Fact]
    public async Task Ensemble_DecoupledInsideDecoupled_KeepsOrderWithinTheBound()
    {
        // Each of n responses of value n is answered by n responses: n * n in all.
        await LoadAsync("squares", Chain(
            "TYPE_INT32", "1", "model_transaction_policy { decoupled: true }", ("square_int32", "IN", "OUT"), ("square_int32", "IN", "OUT")));
        Write(_server.Repository, "tight", File.ReadAllText(Path.Combine(_server.Repository, "squares", "config.pbtxt"))
            .Replace("ensemble_scheduling {", "ensemble_scheduling { max_inflight_requests: 1", StringComparison.Ordinal));
        await _server.Grpc.LoadModelAsync("tight");
        await using var stream = _server.Grpc.OpenInferStream();
        foreach (var model in new[] { "squares", "tight" })
        {
            await stream.WriteAsync(SampleRequests.Square(model, 12, model, wantsEmptyFinal: true));
            Assert.Equal([.. Enumerable.Repeat($"{model}:12", 144), $"{model}:none!"], await SampleRequests.NextAsync(stream, 145));
        }

        stream.Complete();
    }

    [Fact]
    public async Task Ensemble_MixesWhatCameOnceWithEachResponse()
    {
        Write(_server.Repository, "pair", "backend: \"distributed_addsub\" input [ { name: \"INPUT0\" data_type: TYPE_INT32 dims: -1 }, { name: \"INPUT1\" data_type: TYPE_INT32 dims: -1 } ] " +
            "output [ { name: \"OUTPUT0\" data_type: TYPE_INT32 dims: -1 }, { name: \"OUTPUT1\" data_type: TYPE_INT32 dims: -1 } ]");
        Write(_server.Repository, "number", Identity("TYPE_INT32", "1", ""));
        await LoadAsync("mixed", """
            platform: "ensemble" model_transaction_policy { decoupled: true }
            input [ { name: "IN" data_type: TYPE_INT32 dims: 1 } ]
            output [ { name: "OUT" data_type: TYPE_INT32 dims: -1 }, { name: "ONCE" data_type: TYPE_INT32 dims: 1 } ]
            ensemble_scheduling { step [
              { model_name: "pair" input_map { key: "INPUT0" value: "ONCE" } input_map { key: "INPUT1" value: "each" } output_map { key: "OUTPUT0" value: "OUT" } },
              { model_name: "square_int32" input_map { key: "IN" value: "IN" } output_map { key: "OUT" value: "each" } },
              { model_name: "number" input_map { key: "INPUT0" value: "IN" } output_map { key: "OUTPUT0" value: "ONCE" } } ] }
            """);
        await using var stream = _server.Grpc.OpenInferStream();
        await stream.WriteAsync(SampleRequests.Square("a", 3, "mixed", wantsEmptyFinal: true));
        Assert.Equal(["a:6", "a:6", "a:6", "a:none!"], await SampleRequests.NextAsync(stream, 4));

        // Whoever wants only what comes once gets one answer.
        await stream.WriteAsync(new InferRequestMessage { ModelName = "mixed", Id = "b", Inputs = [InferInput.Create<int>("IN", [3], 1)], Outputs = ["ONCE"] });
        Assert.Equal("b:other!", await SampleRequests.NextAsync(stream));
        stream.Complete();
    }

    [Fact]
    public async Task Ensemble_Traced_HasATracePerStep()
    {
        var file = Path.Combine(_server.Repository, "trace.json");
        await using (var server = await OwnServer.StartAsync(
            options => options with
            {
                ModelRepositories = [.. options.ModelRepositories, _server.Repository],
                ModelControlMode = ModelControlMode.Explicit,
                Trace = new TraceOptions { Level = TraceLevel.Timestamps, Rate = 1, File = file },
            }, "wide"))
        {
            Write(_server.Repository, "doubling", Doubling);
            await server.Grpc.LoadModelAsync("doubling");
            (await server.Grpc.InferAsync(Doubled("doubling", rows: 1))).Dispose();
        }

        var heads = JsonDocument.Parse(await File.ReadAllTextAsync(file)).RootElement.EnumerateArray().Where(trace => trace.TryGetProperty("model_name", out _)).ToArray();
        var whole = Assert.Single(heads, trace => trace.GetProperty("model_name").GetString() == "doubling");
        var steps = heads.Where(trace => trace.GetProperty("model_name").GetString() == "add_sub_int32").ToArray();
        Assert.Equal(2, steps.Length);
        Assert.All(steps, step => Assert.Equal(whole.GetProperty("id").GetInt32(), step.GetProperty("parent_id").GetInt32()));
        Assert.All(steps, step => Assert.Equal("q", step.GetProperty("request_id").GetString()));
        Assert.Contains("COMPUTE_START", await File.ReadAllTextAsync(file), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ensemble_OptionalInput_IsLeftOutForTheStepToo()
    {
        const string Inputs = "input [ { name: \"INPUT0\" data_type: TYPE_INT32 dims: 1 }, { name: \"INPUT1\" data_type: TYPE_INT32 dims: 1 optional: true } ]\n" +
            "output [ { name: \"OUTPUT0\" data_type: TYPE_INT32 dims: 1 }, { name: \"OUTPUT1\" data_type: TYPE_INT32 dims: 1 } ]\n";
        const string Maps = "input_map { key: \"INPUT0\" value: \"INPUT0\" } input_map { key: \"INPUT1\" value: \"INPUT1\" } output_map { key: \"OUTPUT0\" value: \"OUTPUT0\" }";
        Write(_server.Repository, "maybe", "backend: \"identity\" " + Inputs);
        await LoadAsync("optional", $"platform: \"ensemble\" {Inputs.Replace(", { name: \"OUTPUT1\" data_type: TYPE_INT32 dims: 1 }", "", StringComparison.Ordinal)} ensemble_scheduling {{ step {{ model_name: \"maybe\" {Maps} }} }}");
        using (var answer = await _server.Grpc.InferAsync(new InferRequestMessage { ModelName = "optional", Inputs = [InferInput.Create<int>("INPUT0", [7], 1)] }))
            Assert.Equal(7, answer.GetSpan<int>("OUTPUT0")[0]);

        // The step leaves an output out that the answer needs.
        await LoadAsync("stuck", $"platform: \"ensemble\" {Inputs} ensemble_scheduling {{ step {{ model_name: \"maybe\" {Maps} output_map {{ key: \"OUTPUT1\" value: \"OUTPUT1\" }} }} }}");
        var failure = await Assert.ThrowsAsync<SluiceException>(
            () => _server.Grpc.InferAsync(new InferRequestMessage { ModelName = "stuck", Inputs = [InferInput.Create<int>("INPUT0", [7], 1)] }));
        Assert.Equal(
            "in ensemble 'stuck', unexpected deadlock, at least one output is not set while no more ensemble steps can be made", failure.Message);
    }

    [Fact]
    public async Task Ensemble_InputThatAStepNeedsIsNotSent_TheStepDoesNotStart()
    {
        Write(_server.Repository, "number", Identity("TYPE_INT32", "1", ""));
        const string Tensors = "input [ { name: \"IN\" data_type: TYPE_INT32 dims: 1 }, { name: \"EXTRA\" data_type: TYPE_INT32 dims: 1 optional: true } ]\n" +
            "output [ { name: \"OUT\" data_type: TYPE_INT32 dims: 1 }, { name: \"MORE\" data_type: TYPE_INT32 dims: 1 } ]\n";
        const string More = "{ model_name: \"number\" input_map { key: \"INPUT0\" value: \"EXTRA\" } output_map { key: \"OUTPUT0\" value: \"MORE\" } }";
        const string Effect = "{ model_name: \"number\" input_map { key: \"INPUT0\" value: \"EXTRA\" } output_map { key: \"OUTPUT0\" value: \"nothing\" } }";
        const string First = "{ model_name: \"number\" input_map { key: \"INPUT0\" value: \"IN\" } output_map { key: \"OUTPUT0\" value: \"OUT\" } }";
        await LoadAsync("partly", $"platform: \"ensemble\" {Tensors} ensemble_scheduling {{ step [ {First}, {More} ] }}");
        var failure = await Assert.ThrowsAsync<SluiceException>(
            () => _server.Grpc.InferAsync(new InferRequestMessage { ModelName = "partly", Inputs = [InferInput.Create<int>("IN", [7], 1)] }));
        Assert.Equal(
            (InferenceCode.InvalidArgument, "in ensemble 'partly', unexpected deadlock, at least one output is not set while no more ensemble steps can be made"),
            (failure.Code, failure.Message));

        // A step that nobody waits for is no reason to fail.
        await LoadAsync("whole", $"platform: \"ensemble\" {Tensors.Replace(", { name: \"MORE\" data_type: TYPE_INT32 dims: 1 }", "", StringComparison.Ordinal)} ensemble_scheduling {{ step [ {First}, {Effect} ] }}");
        using (var answer = await _server.Grpc.InferAsync(new InferRequestMessage { ModelName = "whole", Inputs = [InferInput.Create<int>("IN", [7], 1)] }))
            Assert.Equal(7, answer.GetSpan<int>("OUT")[0]);
        using (var both = await _server.Grpc.InferAsync(new InferRequestMessage { ModelName = "partly", Inputs = [InferInput.Create<int>("IN", [7], 1), InferInput.Create<int>("EXTRA", [8], 1)] }))
            Assert.Equal((7, 8), (both.GetSpan<int>("OUT")[0], both.GetSpan<int>("MORE")[0]));
        var step = Assert.Single(await _server.Grpc.GetModelStatisticsAsync("number"));
        Assert.Equal((4ul, 0ul), (step.InferenceStats.Success.Count, step.InferenceStats.Fail.Count));
    }

    [Fact]
    public async Task Ensemble_Cancelled_EndsTheStepThatRuns()
    {
        await LoadAsync("long", Chain("TYPE_INT64", "1", "", ("slow", "STEPS", "DONE")));
        using var cancellation = new CancellationTokenSource();
        var running = _server.Grpc.InferAsync(
            new InferRequestMessage { ModelName = "long", Inputs = [InferInput.Create<long>("IN", [TestModels.EndlessSteps], 1)] }, cancellationToken: cancellation.Token);
        await Eventually.TrueAsync(() => _server.Host.ActiveCount > 0, () => "the call has not come");
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        await Eventually.TrueAsync(
            () => _server.Grpc.GetModelStatisticsAsync("long").Result[0].InferenceStats.Fail.Count == 1, () => "the cancelled request was not counted");
    }

    [Fact]
    public async Task Ensemble_StepRefuses_SaysSoWithItsName()
    {
        await LoadAsync("doubling", Doubling);
        var request = Doubled("doubling", rows: 1);
        var failure = await Assert.ThrowsAsync<SluiceException>(() => _server.Grpc.InferAsync(new InferRequestMessage
        {
            ModelName = "doubling",
            Id = "q",
            Inputs = [request.Inputs[0]],
        }));
        Assert.StartsWith("[request id: q] expected 2 inputs but got 1 inputs for model 'doubling'", failure.Message, StringComparison.Ordinal);
    }

    private static InferRequestMessage Doubled(string model, int rows) => new()
    {
        ModelName = model,
        Id = "q",
        Inputs =
        [
            InferInput.Create<int>("A", [.. Enumerable.Range(0, 16 * rows)], rows, 16),
            InferInput.Create<int>("B", [.. Enumerable.Range(0, 16 * rows).Select(i => 1000 - i)], rows, 16),
        ],
    };

    /// <summary>An ensemble with the tensors of <c>repeat_int32</c>; <c>@</c> in the steps hands all its inputs on.</summary>
    private static string Repeating(string steps) =>
        "platform: \"ensemble\" model_transaction_policy { decoupled: true }\n" +
        "input [ { name: \"IN\" data_type: TYPE_INT32 dims: -1 }, { name: \"DELAY\" data_type: TYPE_UINT32 dims: -1 }, { name: \"WAIT\" data_type: TYPE_UINT32 dims: 1 } ]\n" +
        "output [ { name: \"OUT\" data_type: TYPE_INT32 dims: 1 } ]\n" +
        $"ensemble_scheduling {{ step [ {steps.Replace("@", string.Join(' ', new[] { "IN", "DELAY", "WAIT" }.Select(name => $"input_map {{ key: \"{name}\" value: \"{name}\" }}")), StringComparison.Ordinal)} ] }}\n";

    private static string JsonInput(string name, int count) =>
        $"{{\"name\":\"{name}\",\"datatype\":\"INT32\",\"shape\":[1,{count}],\"data\":[{string.Join(',', Enumerable.Range(0, count))}]}}";

    private async Task LoadAsync(string name, string config)
    {
        Write(_server.Repository, name, config);
        await _server.Grpc.LoadModelAsync(name);
    }
}
