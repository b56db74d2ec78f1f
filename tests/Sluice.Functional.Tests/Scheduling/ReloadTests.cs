using System.Globalization;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Models;
using Sluice.Protocol.Codec;
using Sluice.Protocol.Inference;

namespace Sluice.Functional.Tests.Scheduling;

/// <summary>Models change under load without a failed request (spec §3.4).</summary>
/// <remarks><c>SLUICE_TEST_RELOADS</c> and <c>SLUICE_TEST_CONFIG_CHANGES</c> set how often.</remarks>
public sealed class ReloadTests(Xunit.Abstractions.ITestOutputHelper output) : IAsyncLifetime
{
    private const string Model = "add_sub_int32";

    private OwnServer _server = null!;

    public async Task InitializeAsync()
    {
        _server = await OwnServer.StartAsync(options => options with { ModelControlMode = ModelControlMode.Explicit }, Model);
        await _server.Grpc.LoadModelAsync(Model);
    }

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task Reloads_UnderLoad_DropNothing()
    {
        // A parameter that no engine knows makes it another model to load, and changes nothing else.
        var served = await UnderLoadAsync("SLUICE_TEST_RELOADS", 60, (config, i) => config.Parameters["round"] = new ModelParameter { StringValue = $"{i}" });
        Assert.All(served, count => Assert.True(count > 0));
    }

    [Fact]
    public async Task InstanceChanges_UnderLoad_DropNothing_AndLoadNothingAnew()
    {
        // The configuration as the server completed it is another text than the file's, so it is loaded once.
        await ApplyAsync(await _server.Grpc.GetModelConfigAsync(Model));
        var before = await RequestsAsync();
        var served = await UnderLoadAsync("SLUICE_TEST_CONFIG_CHANGES", 60, (config, i) =>
        {
            config.InstanceGroup.Clear();
            config.InstanceGroup.Add(new ModelInstanceGroup { Kind = ModelInstanceGroup.Types.Kind.Cpu, Count = 1 + (i % 4) });
        });
        Assert.All(served, count => Assert.True(count > 0));

        // Statistics begin anew with a model that was loaded; these go on.
        Assert.Equal(before + (ulong)served.Sum(), await RequestsAsync());
    }

    /// <summary>Sequences stay at their instance, which keeps their sums, until they end.</summary>
    [Theory]
    [InlineData("dyna_sum")]
    [InlineData("slot_sum")]
    public async Task InstanceChanges_UnderSequences_FailNoStep(string model)
    {
        await using var server = await OwnServer.StartAsync(options => options with { ModelControlMode = ModelControlMode.Explicit }, model);
        await server.Grpc.LoadModelAsync(model);
        var file = Path.Combine(server.Repository, model, "config.pbtxt");
        var config = (await File.ReadAllTextAsync(file)).Replace("instance_group [ { count: 2 kind: KIND_CPU } ]", "", StringComparison.Ordinal);
        using var stop = new CancellationTokenSource();
        var callers = Enumerable.Range(1, 6).Select(id => Task.Run(async () =>
        {
            long served = 0;
            using var client = new SluiceClient(server.Host.GrpcAddress!);
            while (!stop.IsCancellationRequested)
            {
                for (var step = 0; step < 5; step++, served++)
                {
                    using var answer = await client.InferAsync(
                        new InferRequestMessage
                        {
                            ModelName = model,
                            Inputs = [InferInput.Create<int>("INPUT", [id], 1, 1)],
                            Parameters = new Dictionary<string, InferParameter>
                            {
                                ["sequence_id"] = new InferParameter { Int64Param = id },
                                ["sequence_start"] = new InferParameter { BoolParam = step == 0 },
                                ["sequence_end"] = new InferParameter { BoolParam = step == 4 },
                            },
                        },
                        new CallOptions { Retry = RetryPolicy.None });

                    // Where the model sees the end it adds the sequence's number.
                    var expected = (id * (step + 1)) + (step == 4 && model == "dyna_sum" ? id : 0);
                    if (answer.GetSpan<int>("OUTPUT")[0] != expected)
                        throw new InvalidOperationException($"step {step} of {id} gave {answer.GetSpan<int>("OUTPUT")[0]}");
                }
            }

            return served;
        })).ToArray();
        var count = Number("SLUICE_TEST_CONFIG_CHANGES", 60);
        for (var i = 0; i < count && !callers.Any(caller => caller.IsCompleted); i++)
        {
            await File.WriteAllTextAsync(file, config + $"\ninstance_group {{ count: {1 + (i * 3 % 4)} kind: KIND_CPU }}");
            await server.Grpc.LoadModelAsync(model);
        }

        await stop.CancelAsync();
        var served = await Task.WhenAll(callers);
        output.WriteLine($"{count} changes while {served.Sum()} steps were served, none failed");

        // Statistics begin anew with a model that was loaded; these go on.
        Assert.Equal((ulong)served.Sum(), Assert.Single(await server.Grpc.GetModelStatisticsAsync(model)).InferenceStats.Success.Count);
    }

    /// <summary>An instance that goes answers to the end what it has taken.</summary>
    [Fact]
    public async Task InstanceChanges_UnderStreams_LoseNoResponse()
    {
        const string Streaming = "countdown";
        await using var server = await OwnServer.StartAsync(options => options with { ModelControlMode = ModelControlMode.Explicit }, Streaming);
        await server.Grpc.LoadModelAsync(Streaming);
        var file = Path.Combine(server.Repository, Streaming, "config.pbtxt");
        var config = await File.ReadAllTextAsync(file);
        using var stop = new CancellationTokenSource();
        var callers = Enumerable.Range(1, 4).Select(_ => Task.Run(async () =>
        {
            long served = 0;
            using var client = new SluiceClient(server.Host.GrpcAddress!);
            await using var stream = client.OpenInferStream();
            for (; !stop.IsCancellationRequested; served++)
            {
                await stream.WriteAsync(new InferRequestMessage { ModelName = Streaming, Inputs = [InferInput.Create<int>("INPUT", [20], 1)] });
                for (var left = 19; left >= 0; left--)
                {
                    using var result = await stream.ReadAsync();
                    if (result!.Error is not null || result.GetSpan<int>("OUTPUT")[0] != left)
                        throw new InvalidOperationException($"{result.Error}, {left} were left");
                }
            }

            return served;
        })).ToArray();
        var count = Number("SLUICE_TEST_CONFIG_CHANGES", 60);
        for (var i = 0; i < count && !callers.Any(caller => caller.IsCompleted); i++)
        {
            await File.WriteAllTextAsync(file, config + $"\ninstance_group {{ count: {1 + (i * 3 % 4)} kind: KIND_CPU }}");
            await server.Grpc.LoadModelAsync(Streaming);
        }

        await stop.CancelAsync();
        var served = await Task.WhenAll(callers);
        output.WriteLine($"{count} changes while {served.Sum()} requests were served, none failed");
        Assert.Equal((ulong)served.Sum(), Assert.Single(await server.Grpc.GetModelStatisticsAsync(Streaming)).InferenceStats.Success.Count);
    }

    /// <summary>The successor is warmed with what the predecessor has served, on every instance, and nothing of that is counted.</summary>
    [Theory]
    [InlineData(8, "was warmed with 2 requests that its predecessor had served; 0 more do not fit it")]
    [InlineData(0, "")]
    public async Task Reload_WarmsWithRequestsThatWereServed(int kept, string expected)
    {
        await using var server = await OperatedServer.StartAsync((options, _) => options with
        {
            ModelControlMode = ModelControlMode.Explicit,
            LoadModels = [Model],
            RecentRequestCount = kept,
        });
        using var client = server.CreateClient();
        await OperatedServer.InferAsync(client);
        var config = await client.GetModelConfigAsync(Model);
        config.Parameters["round"] = new ModelParameter { StringValue = "another" };
        config.InstanceGroup[0].Count = 2;
        await client.CallAsync(
            "/inference.GRPCInferenceService/RepositoryModelLoad", LoadOf(config), RepositoryModelLoadResponse.Parser);
        Assert.Equal(expected.Length > 0, server.Log.Contains("was warmed with", StringComparison.Ordinal));
        Assert.Contains(expected, server.Log, StringComparison.Ordinal);
        await OperatedServer.InferAsync(client);
        Assert.Equal(1UL, Assert.Single(await client.GetModelStatisticsAsync(Model)).InferenceStats.Success.Count);
    }

    /// <summary>What another server is asked may do more than compute, so it is asked nothing that no caller has asked for.</summary>
    [Fact]
    public async Task Reload_OfAnotherServersModel_RunsNothingThere()
    {
        await using var other = await OperatedServer.StartAsync();
        using var there = other.CreateClient();
        await using var server = await OperatedServer.StartAsync((options, folder) =>
        {
            File.Delete(Path.Combine(folder, "models", Model, "1", "model.onnx"));
            WriteRemote(folder, other.Host.GrpcAddress!, "one");
            return options with { ModelControlMode = ModelControlMode.Explicit, LoadModels = [Model] };
        });
        using var client = server.CreateClient();
        Assert.Equal(0UL, await CountAsync());
        await OperatedServer.InferAsync(client);
        Assert.Equal(1UL, await CountAsync());
        WriteRemote(server.Folder, other.Host.GrpcAddress!, "another");
        await client.LoadModelAsync(Model);
        Assert.Equal("another", (await client.GetModelConfigAsync(Model)).Parameters["round"].StringValue);
        Assert.Equal(1UL, await CountAsync());
        Assert.DoesNotContain("was warmed with", server.Log, StringComparison.Ordinal);
        await OperatedServer.InferAsync(client);
        Assert.Equal(2UL, await CountAsync());

        async Task<ulong> CountAsync() => Assert.Single(await there.GetModelStatisticsAsync(Model)).ExecutionCount;

        static void WriteRemote(string folder, Uri address, string round) => File.WriteAllText(
            Path.Combine(folder, "models", Model, "config.pbtxt"),
            $$"""
            backend: "remote"
            parameters { key: "address" value { string_value: "{{address.Authority}}" } }
            parameters { key: "model" value { string_value: "{{Model}}" } }
            parameters { key: "round" value { string_value: "{{round}}" } }
            """);
    }

    /// <summary>A request that never ended for the predecessor does not end for the successor; the swap does not wait for it.</summary>
    [Fact]
    public async Task Reload_AfterARequestThatNeverEnds_ComesToAnEnd()
    {
        await using var server = await OperatedServer.StartAsync(
            (options, _) => options with { ModelControlMode = ModelControlMode.Explicit, LoadModels = ["slow"] }, "slow");
        using var client = server.CreateClient();
        await Assert.ThrowsAsync<SluiceException>(() => AskAsync(TestModels.EndlessSteps, TimeSpan.FromSeconds(2)));
        await File.WriteAllTextAsync(
            Path.Combine(server.Folder, "models", "slow", "config.pbtxt"), "parameters { key: \"round\" value { string_value: \"another\" } } instance_group { count: 1 kind: KIND_CPU }");
        await client.LoadModelAsync("slow").WaitAsync(ServerFixture.Patience);
        Assert.Contains("0 more do not fit it, 1 took too long, 0 were left out", server.Log, StringComparison.Ordinal);
        Assert.True(await AskAsync(1, ServerFixture.Patience));

        async Task<bool> AskAsync(long steps, TimeSpan timeout)
        {
            using var result = await client.InferAsync(
                new InferRequestMessage { ModelName = "slow", Inputs = [InferInput.Create<long>("STEPS", [steps])] },
                new CallOptions { Timeout = timeout, Retry = RetryPolicy.None });
            return result.Error is null;
        }
    }

    [Fact]
    public async Task InstanceChange_ShowsInTheConfiguration()
    {
        var config = (await _server.Grpc.GetModelConfigAsync(Model)).Clone();
        config.InstanceGroup[0].Count = 5;
        await ApplyAsync(config);
        Assert.Equal(5, Assert.Single((await _server.Grpc.GetModelConfigAsync(Model)).InstanceGroup).Count);
        config.InstanceGroup[0].Kind = ModelInstanceGroup.Types.Kind.Gpu;
        await Assert.ThrowsAsync<SluiceException>(() => ApplyAsync(config));
        await InferAsync(_server.Grpc);
        Assert.Equal(5, Assert.Single((await _server.Grpc.GetModelConfigAsync(Model)).InstanceGroup).Count);
    }

    [Fact]
    public async Task VersionPolicyChange_OnlyAddsAndRemovesVersions()
    {
        Directory.CreateDirectory(Path.Combine(_server.Repository, Model, "2"));
        File.Copy(Path.Combine(_server.Repository, Model, "1", "model.onnx"), Path.Combine(_server.Repository, Model, "2", "model.onnx"));
        var config = await _server.Grpc.GetModelConfigAsync(Model);
        await ApplyAsync(config);
        await InferAsync(_server.Grpc);
        foreach (var (versions, expected) in new (long[], string[])[] { ([1, 2], ["1", "2"]), ([2], ["2"]), ([1, 2], ["1", "2"]) })
        {
            config = config.Clone();
            config.VersionPolicy = new ModelVersionPolicy { Specific = new ModelVersionPolicy.Types.Specific { Versions = { versions } } };
            await ApplyAsync(config);
            Assert.Equal(expected, (await _server.Grpc.GetModelMetadataAsync(Model)).Versions.Order(StringComparer.Ordinal));
            Assert.Equal(versions, (await _server.Grpc.GetModelConfigAsync(Model)).VersionPolicy.Specific.Versions);

            // What stays is the same model as before.
            Assert.Equal(1ul, (await _server.Grpc.GetModelStatisticsAsync(Model, "2"))[0].InferenceStats.Success.Count);
        }
    }

    private static int Number(string variable, int usual) =>
        Environment.GetEnvironmentVariable(variable) is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : usual;

    private static async Task InferAsync(SluiceClient client)
    {
        using var answer = await client.InferAsync(
            new InferRequestMessage
            {
                ModelName = Model,
                Inputs = [InferInput.Create<int>("INPUT0", [.. Enumerable.Range(0, 16)], 1, 16), InferInput.Create<int>("INPUT1", [.. Enumerable.Repeat(1, 16)], 1, 16)],
            },
            new CallOptions { Retry = RetryPolicy.None });
        if (answer.GetSpan<int>("OUTPUT0")[15] != 16)
            throw new InvalidOperationException("a wrong answer");
    }

    /// <summary>Changes the model's configuration again and again while eight callers ask; any failure of theirs fails the test.</summary>
    private async Task<long[]> UnderLoadAsync(string variable, int usual, Action<ModelConfig, int> change)
    {
        var config = await _server.Grpc.GetModelConfigAsync(Model);
        using var stop = new CancellationTokenSource();
        var callers = Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            using var client = new SluiceClient(_server.Host.GrpcAddress!);
            long served = 0;
            for (; !stop.IsCancellationRequested; served++)
                await InferAsync(client);
            return served;
        })).ToArray();
        var count = Number(variable, usual);
        for (var i = 0; i < count && !callers.Any(caller => caller.IsCompleted); i++)
        {
            var changed = config.Clone();
            change(changed, i);
            await ApplyAsync(changed);
        }

        await stop.CancelAsync();
        var served = await Task.WhenAll(callers);
        output.WriteLine($"{count} changes while {served.Sum()} requests were served, none failed");
        return served;
    }

    private Task<RepositoryModelLoadResponse> ApplyAsync(ModelConfig config) =>
        _server.CallAsync<RepositoryModelLoadResponse>("RepositoryModelLoad", LoadOf(config));

    private static RepositoryModelLoadRequest LoadOf(ModelConfig config)
    {
        var request = new RepositoryModelLoadRequest { ModelName = Model };
        request.Parameters["config"] = new ModelRepositoryParameter { StringParam = Google.Protobuf.JsonFormatter.Default.Format(config) };
        return request;
    }

    private async Task<ulong> RequestsAsync() => Assert.Single(await _server.Grpc.GetModelStatisticsAsync(Model)).InferenceStats.Success.Count;
}
