using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Protocol.Codec;
using Sluice.Protocol.Inference;
using static Sluice.Functional.Tests.Infrastructure.WrittenModels;

namespace Sluice.Functional.Tests.Scheduling;

/// <summary>Ensembles follow the models that they consist of (spec §1.8, §3.4, §3.5).</summary>
public sealed class EnsembleLifecycleTests : IAsyncLifetime
{
    private const string Missing = "ensemble 'doubling' depends on 'add_sub_int32' which has no loaded version";

    private OwnServer _server = null!;

    public async Task InitializeAsync()
    {
        _server = await OwnServer.StartAsync(options => options with { ModelControlMode = ModelControlMode.Explicit }, "add_sub_int32", "square_int32");
        Write(_server.Repository, "doubling", Doubling);
        Write(_server.Repository, "number", Identity("TYPE_INT32", "1", "max_batch_size: 2"));
        Write(_server.Repository, "flat", Identity("TYPE_INT32", "1", ""));
    }

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task Load_BringsTheStepsAlong()
    {
        await _server.Grpc.LoadModelAsync("doubling");
        Assert.True(await _server.Grpc.IsModelReadyAsync("add_sub_int32"));
        Assert.Equal(["add_sub_int32:READY", "doubling:READY", "flat:", "number:", "square_int32:"], await IndexAsync());
    }

    [Fact]
    public async Task Unload_OfAStep_TakesTheEnsembleOutUntilTheStepIsBack()
    {
        Write(_server.Repository, "outer", Doubling.Replace("add_sub_int32\" model_version: -1\n    input_map { key: \"INPUT0\" value: \"sum\"", "doubling\" model_version: -1\n    input_map { key: \"A\" value: \"sum\"", StringComparison.Ordinal)
            .Replace("input_map { key: \"INPUT1\" value: \"difference\" }", "input_map { key: \"B\" value: \"difference\" }", StringComparison.Ordinal));
        await _server.Grpc.LoadModelAsync("outer");
        await _server.Grpc.UnloadModelAsync("add_sub_int32");
        Assert.False(await _server.Grpc.IsModelReadyAsync("doubling"));
        Assert.False(await _server.Grpc.IsModelReadyAsync("outer"));
        await ReasonAsync("doubling", Missing);
        await ReasonAsync("outer", "ensemble 'outer' depends on 'doubling' which has no loaded version");
        Assert.Equal(InferenceCode.NotFound, (await FailsAsync("doubling")).Code);

        await _server.Grpc.LoadModelAsync("add_sub_int32");
        Assert.True(await _server.Grpc.IsModelReadyAsync("doubling"));
        Assert.True(await _server.Grpc.IsModelReadyAsync("outer"));
        await InferAsync("outer");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Unload_WithDependents_TakesAllOutForGood(bool overHttp)
    {
        await _server.Grpc.LoadModelAsync("doubling");
        await UnloadAsync("add_sub_int32", overHttp);
        await ReasonAsync("doubling", "unloaded");
        await _server.Grpc.LoadModelAsync("add_sub_int32");
        Assert.False(await _server.Grpc.IsModelReadyAsync("doubling"));

        // What was loaded for its own sake stays when the ensemble goes; what came with it goes.
        await _server.Grpc.LoadModelAsync("doubling");
        await UnloadAsync("doubling", overHttp);
        Assert.True(await _server.Grpc.IsModelReadyAsync("add_sub_int32"));
        await _server.Grpc.UnloadModelAsync("add_sub_int32");
        await _server.Grpc.LoadModelAsync("doubling");
        await UnloadAsync("doubling", overHttp);
        Assert.False(await _server.Grpc.IsModelReadyAsync("add_sub_int32"));
    }

    [Fact]
    public async Task Load_StepThatFitsNoMore_TakesTheEnsembleOut()
    {
        await _server.Grpc.LoadModelAsync("doubling");
        await OverrideAsync("add_sub_int32", """{"max_batch_size": 4}""");
        await ReasonAsync("doubling", "version 1 is at UNAVAILABLE state: ensemble 'doubling' has max_batch_size 8, more than the 4 of its step's model 'add_sub_int32'", "*");
        await OverrideAsync("add_sub_int32", """{"max_batch_size": 16}""");
        Assert.True(await _server.Grpc.IsModelReadyAsync("doubling"));
        await InferAsync("doubling");
    }

    [Fact]
    public async Task Start_LoadsEnsemblesAfterTheirSteps()
    {
        await using var other = await OwnServer.StartAsync(
            options => options with { ModelRepositories = [.. options.ModelRepositories, _server.Repository] }, "wide");
        Assert.True(await other.Grpc.IsModelReadyAsync("doubling"));
        Assert.True(await other.Grpc.IsServerReadyAsync());
    }

    [Fact]
    public async Task Load_StepThatNoRepositoryHas_Fails()
    {
        Write(_server.Repository, "lonely", Chain("TYPE_INT32", "1", "", ("nobody", "INPUT0", "OUTPUT0")));
        Assert.Equal(
            "load failed for model 'lonely': version 1 is at UNAVAILABLE state: ensemble 'lonely' depends on 'nobody' which has no loaded version;",
            (await LoadFailsAsync("lonely")).Message);
        await ReasonAsync("lonely", "ensemble 'lonely' depends on 'nobody' which has no loaded version");
        Write(_server.Repository, "first", Chain("TYPE_INT32", "1", "", ("second", "IN", "OUT")));
        Write(_server.Repository, "second", Chain("TYPE_INT32", "1", "", ("first", "IN", "OUT")));
        Assert.Equal(
            "load failed for model 'first': circular dependency between ensembles: first -> second -> first", (await LoadFailsAsync("first")).Message);
        Directory.CreateDirectory(Path.Combine(_server.Repository, "unversioned"));
        File.WriteAllText(Path.Combine(_server.Repository, "unversioned", "config.pbtxt"), Doubling);
        Assert.Contains("at least one version must be available", (await LoadFailsAsync("unversioned")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("platform: \"ensemble\"", "has platform 'ensemble' but no 'ensemble_scheduling'")]
    [InlineData("platform: \"ensemble\" ensemble_scheduling { }", "ensemble 'wrong' must list its outputs")]
    [InlineData("backend: \"identity\" ensemble_scheduling { }", "its platform must be 'ensemble' and not 'identity'")]
    [InlineData("@(number INPUT0=IN OUTPUT0=t)", "ensemble 'wrong' takes tensor 'OUT', which is no input of the ensemble and which no step makes")]
    [InlineData("@(number INPUT0=x OUTPUT0=OUT)", "step 0 (model 'number') of ensemble 'wrong' takes tensor 'x', which is no input of the ensemble and which no step makes")]
    [InlineData("@(flat INPUT0=IN OUTPUT0=x)(flat INPUT0=t OUTPUT0=OUT)(flat INPUT0=OUT OUTPUT0=t)", "the steps of ensemble 'wrong' wait for each other in a circle: 'flat', 'flat'")]
    [InlineData("@(flat INPUT0=t OUTPUT0=OUT)(flat INPUT0=OUT OUTPUT0=t)", "input 'IN' of ensemble 'wrong' is used by no step")]
    [InlineData("@(flat INPUT0=IN OUTPUT0=OUT)(flat INPUT0=IN OUTPUT0=OUT)", "tensor 'OUT' of ensemble 'wrong' is made twice: by output 'OUTPUT0' of model 'flat' and by output 'OUTPUT0' of model 'flat'")]
    [InlineData("@(number INPUT9=IN OUTPUT0=OUT)", "step 0 (model 'number') of ensemble 'wrong' maps input 'INPUT9', which the model does not have")]
    [InlineData("@(number INPUT9=IN OUTPUT0=OUT)", "step 0 (model 'number') of ensemble 'wrong' gives no tensor to input 'INPUT0'")]
    [InlineData("@(number INPUT0=IN OUTPUT9=OUT)", "step 0 (model 'number') of ensemble 'wrong' maps output 'OUTPUT9', which the model does not have")]
    [InlineData("@4(number INPUT0=IN OUTPUT0=OUT)", "ensemble 'wrong' has max_batch_size 4, more than the 2 of its step's model 'number'")]
    [InlineData("@1(number INPUT0=IN OUTPUT0=OUT)", "in ensemble 'wrong', tensor 'IN' is TYPE_FP32 as input 'IN' and TYPE_INT32 as input 'INPUT0' of model 'number'")]
    [InlineData("@(number INPUT0=IN OUTPUT0=OUT)", "in ensemble 'wrong', tensor 'IN' is [1] as input 'IN' and [-1,1] as input 'INPUT0' of model 'number'")]
    [InlineData("@(flat INPUT0=IN OUTPUT0=OUT)(wrong IN=OUT OUT=x)", "circular dependency between ensembles: wrong -> wrong")]
    public async Task Load_WrongEnsemble_SaysWhatIsWrong(string config, string expected)
    {
        Write(_server.Repository, "wrong", config.StartsWith('@') ? Expand(config) : config);
        var failure = await LoadFailsAsync("wrong");
        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unload_UnderLoad_NeverHangsOrMixesUp()
    {
        await _server.Grpc.LoadModelAsync("doubling");
        using var stop = new CancellationTokenSource();
        var callers = Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            var (served, refused) = (0, 0);
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    await InferAsync("doubling");
                    served++;
                }
                catch (SluiceException failure)
                {
                    Assert.True(failure.Code is InferenceCode.NotFound or InferenceCode.Unavailable, failure.Message);
                    refused++;
                }
            }

            return (served, refused);
        })).ToArray();
        for (var i = 0; i < 20; i++)
        {
            await _server.Grpc.UnloadModelAsync("add_sub_int32");
            await _server.Grpc.LoadModelAsync("add_sub_int32");
            await InferAsync("doubling");
        }

        await stop.CancelAsync();
        var counts = await Task.WhenAll(callers).WaitAsync(ServerFixture.Patience);
        Assert.All(counts, count => Assert.True(count.served > 0));
    }

    /// <summary>Writes an ensemble of <c>(model input=tensor output=tensor)</c> from IN to OUT.</summary>
    private static string Expand(string steps)
    {
        var batch = char.IsDigit(steps[1]) ? steps[1..2] : "";
        var type = batch == "1" ? "TYPE_FP32" : "TYPE_INT32";
        var texts = steps.Split('(', ')').Where(part => part.Contains(' ', StringComparison.Ordinal)).Select(part => part.Split(' ', '=')).Select(words =>
            $"step {{ model_name: \"{words[0]}\" input_map {{ key: \"{words[1]}\" value: \"{words[2]}\" }} output_map {{ key: \"{words[3]}\" value: \"{words[4]}\" }} }}");
        return $"platform: \"ensemble\" {(batch.Length > 0 ? $"max_batch_size: {batch}" : "")} input {{ name: \"IN\" data_type: {type} dims: 1 }} output {{ name: \"OUT\" data_type: {type} dims: 1 }}\n" +
            $"ensemble_scheduling {{ {string.Join('\n', texts)} }}";
    }

    private async Task<SluiceException> LoadFailsAsync(string name)
    {
        var failure = await Assert.ThrowsAsync<SluiceException>(() => _server.Grpc.LoadModelAsync(name));
        Assert.Equal(InferenceCode.InvalidArgument, failure.Code);
        _server.ExpectErrors();
        return failure;
    }

    private async Task<SluiceException> FailsAsync(string name) => await Assert.ThrowsAsync<SluiceException>(() => InferAsync(name));

    private async Task InferAsync(string name)
    {
        using var answer = await _server.Grpc.InferAsync(
            new InferRequestMessage
            {
                ModelName = name,
                Inputs = [InferInput.Create<int>("A", [.. Enumerable.Range(0, 16)], 1, 16), InferInput.Create<int>("B", new int[16], 1, 16)],
            },
            new CallOptions { Retry = RetryPolicy.None });
        Assert.Equal(2, answer.GetSpan<int>("OUTPUT0")[1]);
    }

    private async Task UnloadAsync(string name, bool overHttp)
    {
        if (overHttp)
        {
            Assert.Equal(200, (await _server.PostAsync($"/v2/repository/models/{name}/unload", """{"parameters":{"unload_dependents":true}}""")).Status);
            return;
        }

        var request = new RepositoryModelUnloadRequest { ModelName = name, Parameters = { ["unload_dependents"] = new ModelRepositoryParameter { BoolParam = true } } };
        await _server.CallAsync<RepositoryModelUnloadResponse>("RepositoryModelUnload", request);
    }

    private Task<RepositoryModelLoadResponse> OverrideAsync(string name, string json)
    {
        var request = new RepositoryModelLoadRequest { ModelName = name, Parameters = { ["config"] = new ModelRepositoryParameter { StringParam = json } } };
        return _server.CallAsync<RepositoryModelLoadResponse>("RepositoryModelLoad", request);
    }

    private async Task<IEnumerable<string>> IndexAsync() =>
        (await _server.Grpc.GetRepositoryIndexAsync()).Select(entry => $"{entry.Name}:{entry.State}").Order(StringComparer.Ordinal);

    private Task ReasonAsync(string name, string expected, string rest = "") => Eventually.TrueAsync(
        () => _server.Grpc.GetRepositoryIndexAsync().Result.Single(entry => entry.Name == name) is { State: "UNAVAILABLE" } entry &&
            (rest == "*" ? entry.Reason.StartsWith(expected, StringComparison.Ordinal) : entry.Reason == expected),
        () => $"'{name}': {_server.Grpc.GetRepositoryIndexAsync().Result.Single(entry => entry.Name == name)}");
}
