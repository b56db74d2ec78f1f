using System.Diagnostics;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using static Sluice.Protocol.Health.HealthCheckResponse.Types;

namespace Sluice.Functional.Tests.Operations;

/// <summary>Start, drain and end of the server (spec §5.4), and executions that hang.</summary>
public sealed class LifecycleTests : IDisposable
{
    private readonly string _repository = Directory.CreateTempSubdirectory("sluice-life-").FullName;

    public void Dispose() => Directory.Delete(_repository, recursive: true);

    [Fact]
    public async Task Start_PrintsTheTables()
    {
        await using var server = await OperatedServer.StartAsync((options, _) => options with { BackendConfig = [("onnxruntime", "a", "b")] });

        Assert.Contains("| Backend     | Path       | Config |", server.Log, StringComparison.Ordinal);
        Assert.Contains("| onnxruntime | <built-in> | {a=b}  |", server.Log, StringComparison.Ordinal);
        Assert.Contains("| Model         | Version | Status |", server.Log, StringComparison.Ordinal);
        Assert.Contains("| add_sub_int32 | 1       | READY  |", server.Log, StringComparison.Ordinal);
        Assert.Contains("+---------------+---------+--------+", server.Log, StringComparison.Ordinal);
        Assert.Contains("| model_control_mode ", server.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sigterm_WithNothingUnderWay_EndsWithZero()
    {
        using var process = Start();
        await process.LoggedAsync("Ready after");
        process.Terminate();

        Assert.Equal(0, await process.EndAsync());
        Assert.Contains("\"Stopped\"", process.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sigterm_WithACallUnderWay_CountsDownAndWaitsForIt()
    {
        using var process = Start("--exit-timeout-secs=60");
        using var client = new SluiceClient(await process.GrpcAddressAsync());
        await process.LoggedAsync("Ready after");
        using var cancellation = new CancellationTokenSource();
        var running = client.InferAsync(Endless(), cancellationToken: cancellation.Token);
        await WaitUntilRunningAsync(process);
        process.Terminate();
        await process.LoggedAsync("Timeout 59: Found 1 calls under way");
        Assert.False(running.IsCompleted);

        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        Assert.Equal(0, await process.EndAsync());
        Assert.Contains("1 calls under way have 60 s to end", process.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sigterm_WithACallThatNeverEnds_ExitsWithOneAtTheLimit()
    {
        using var process = Start("--exit-timeout-secs=1");
        using var client = new SluiceClient(await process.GrpcAddressAsync(), new SluiceClientOptions { Retry = new RetryPolicy { MaxAttempts = 1 } });
        await process.LoggedAsync("Ready after");
        var running = client.InferAsync(Endless());
        await WaitUntilRunningAsync(process);
        process.Terminate();

        Assert.Equal(1, await process.EndAsync());
        await Assert.ThrowsAsync<SluiceException>(() => running);
        Assert.Contains("Exit timeout expired", process.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sigterm_WhileModelsLoad_EndsWithZero()
    {
        for (var i = 0; i < 300; i++)
            Copy("cnn_digits", $"model{i}");
        using var process = Start("--model-load-thread-count=1");
        await process.LoggedAsync("gRPC listens on");
        process.Terminate();

        Assert.Equal(0, await process.EndAsync());
        Assert.DoesNotContain("Ready after", process.Errors, StringComparison.Ordinal);
        Assert.Contains("\"Stopped\"", process.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stop_WithADrainDelay_StillServesWhileNotReady()
    {
        var delay = TimeSpan.FromMilliseconds(2345);
        var time = new HeldTime(delay);
        var server = await OperatedServer.StartAsync(time, (options, _) => options with { DrainDelay = delay });
        await using (server)
        {
            using var client = server.CreateClient();
            Assert.True(await client.IsServerReadyAsync());
            var stopping = server.Host.StopAsync();
            Assert.False(await client.IsServerReadyAsync());
            var live = await Assert.ThrowsAsync<SluiceException>(() => client.IsServerLiveAsync());
            Assert.Equal((InferenceCode.Unavailable, "Server exiting"), (live.Code, live.Message));
            await OperatedServer.InferAsync(client);
            Assert.False(stopping.IsCompleted);
            time.EndAll();
            Assert.True(await stopping);
        }
    }

    [Fact]
    public async Task Stop_WithAHealthWatch_IsNotHeldUp()
    {
        var server = await OperatedServer.StartAsync((options, _) => options with { ExitTimeout = TimeSpan.FromSeconds(30) });
        await using (server)
        {
            using var client = server.CreateClient();
            await using var watch = client.WatchHealthAsync().GetAsyncEnumerator();
            Assert.True(await watch.MoveNextAsync());
            Assert.Equal(ServingStatus.Serving, watch.Current);
            var began = Stopwatch.GetTimestamp();
            var stopping = server.Host.StopAsync();
            Assert.True(await watch.MoveNextAsync());
            Assert.Equal(ServingStatus.NotServing, watch.Current);

            Assert.True(await stopping);
            Assert.True(Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(25));
        }
    }

    [Fact]
    public async Task DelayHook_DelaysAllButInference()
    {
        Copy("add_sub_int32", "add_sub_int32");
        using var process = Start([], ("TRITONSERVER_SERVER_DELAY_GRPC_RESPONSE_SEC", "2"));
        using var client = new SluiceClient(await process.GrpcAddressAsync());
        await process.LoggedAsync("Ready after");

        var error = await Assert.ThrowsAsync<SluiceException>(
            () => client.GetServerMetadataAsync(new CallOptions { Timeout = TimeSpan.FromMilliseconds(500) }));
        Assert.Equal(InferenceCode.DeadlineExceeded, error.Code);
        var began = Stopwatch.GetTimestamp();
        await client.GetServerMetadataAsync();
        Assert.True(Stopwatch.GetElapsedTime(began) > TimeSpan.FromSeconds(1.9));
        await OperatedServer.InferAsync(client);
        Assert.DoesNotContain("DelayedMethod", process.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Watchdog_OnAnExecutionThatHangs_TakesReadinessAndGivesItBack()
    {
        await using var server = await OperatedServer.StartAsync(
            (options, _) => options with { ExecutionWatchdog = TimeSpan.FromMilliseconds(200) }, "slow", "add_sub_int32");
        using var client = server.CreateClient();
        using var http = new HttpClient();
        var metrics = new Uri(server.Host.MetricsAddress!, "/metrics");
        using var cancellation = new CancellationTokenSource();
        var running = client.InferAsync(Endless(), cancellationToken: cancellation.Token);

        await Eventually.TrueAsync(() => !client.IsModelReadyAsync("slow").GetAwaiter().GetResult(), () => server.Log);
        Assert.Matches("Model 'slow' is not ready: instance 'slow_\\d' has been executing for \\d+\\.\\d s", server.Log);
        Assert.False(await client.IsServerReadyAsync());
        Assert.True(await client.IsModelReadyAsync("add_sub_int32"));
        Assert.Equal(ServingStatus.NotServing, await client.CheckHealthAsync("model/slow"));
        Assert.Contains("sluice_executions_hanging{model=\"slow\",version=\"1\"} 1\n", await http.GetStringAsync(metrics), StringComparison.Ordinal);

        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        await Eventually.TrueAsync(() => client.IsServerReadyAsync().GetAwaiter().GetResult(), () => server.Log);
        Assert.Contains("sluice_executions_hanging{model=\"slow\",version=\"1\"} 0\n", await http.GetStringAsync(metrics), StringComparison.Ordinal);
        Assert.Equal(2, server.Log.Split("is not ready: instance").Length);
    }

    private static InferRequestMessage Endless() => new()
    {
        ModelName = "slow",
        Inputs = [InferInput.Create<long>("STEPS", [TestModels.EndlessSteps])],
    };

    private static async Task WaitUntilRunningAsync(ServerProcess process)
    {
        using var http = new HttpClient();
        var metrics = new Uri(await process.MetricsAddressAsync(), "/metrics");
        await Eventually.TrueAsync(
            () => http.GetStringAsync(metrics).GetAwaiter().GetResult().Contains("sluice_calls_active{front_end=\"grpc\"} 1\n", StringComparison.Ordinal),
            () => process.Errors);
    }

    private void Copy(string model, string name)
    {
        var folder = Directory.CreateTempSubdirectory("sluice-copy-").FullName;
        TestModels.CopyTo(folder, model);
        Directory.Move(Path.Combine(folder, model), Path.Combine(_repository, name));
        Directory.Delete(folder);
        var config = Path.Combine(_repository, name, "config.pbtxt");
        if (name != model && File.Exists(config))
            File.WriteAllText(config, File.ReadAllText(config).Replace($"name: \"{model}\"", $"name: \"{name}\"", StringComparison.Ordinal));
    }

    private ServerProcess Start(params string[] arguments) => Start(arguments, ("SLUICE_WARM_UP", "false"));

    private ServerProcess Start(string[] arguments, params (string Name, string Value)[] environment)
    {
        if (!Directory.Exists(Path.Combine(_repository, "slow")))
            TestModels.CopyTo(_repository, "slow");
        return new ServerProcess(
            [
                "serve", "--model-repository=" + _repository, "--grpc-address", "127.0.0.1", "--grpc-port=0", "--http-address=127.0.0.1",
                "--http-port=0", "--metrics-address=127.0.0.1", "--metrics-port=0", .. arguments,
            ], environment);
    }
}
