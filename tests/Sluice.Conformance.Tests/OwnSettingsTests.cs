using System.Net;
using Sluice.Client;
using Sluice.Conformance.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Protocol.Inference;
using Sluice.Server;
using Sluice.Server.Composition;

namespace Sluice.Conformance.Tests;

/// <summary>Rules that show under other settings, at the start and at the end (spec §0.5, §0.13, §1.3, §5.3, §5.4).</summary>
public sealed class OwnSettingsTests : IDisposable
{
    private const string Service = "/inference.GRPCInferenceService/";

    private readonly string _repository = Directory.CreateTempSubdirectory("sluice-conformance-").FullName;

    public OwnSettingsTests() => Write("plain", "backend: \"identity\"");

    public void Dispose() => Directory.Delete(_repository, recursive: true);

    [OwnServerFact]
    public async Task S0_5_NotExplicit_LoadAndUnload_AreUnavailable()
    {
        await using var host = await StartAsync(options => options);
        using var client = new SluiceClient(host.GrpcAddress!, new SluiceClientOptions { Retry = RetryPolicy.None });
        foreach (var call in new[] { () => client.LoadModelAsync("plain"), () => client.UnloadModelAsync("plain") })
        {
            var failure = await Assert.ThrowsAsync<SluiceException>(call);
            Assert.Equal(
                (InferenceCode.Unavailable, "explicit model load / unload is not allowed if polling is enabled"), (failure.Code, failure.Message));
        }

        using var http = new HttpClient { BaseAddress = host.HttpAddress };
        using var response = await http.PostAsync("/v2/repository/models/plain/unload", null);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        await host.StopAsync();
    }

    [OwnServerFact]
    public async Task S0_13_SharedMemoryOff_IsUnimplementedAndNamesTheFlag()
    {
        await using var host = await StartAsync(options => options);
        using var client = new SluiceClient(host.GrpcAddress!);
        var failure = await Assert.ThrowsAsync<SluiceException>(() => client.CallAsync(
            Service + "SystemSharedMemoryRegister", new SystemSharedMemoryRegisterRequest { Name = "r", Key = "/k", ByteSize = 8 },
            SystemSharedMemoryRegisterResponse.Parser));
        Assert.Equal(InferenceCode.Unimplemented, failure.Code);
        Assert.Contains("--allow-client-shm", failure.Message, StringComparison.Ordinal);
        await host.StopAsync();
    }

    [OwnServerFact]
    public async Task S5_3_Restricted_NeedsTheHeader()
    {
        await using var host = await StartAsync(options => options with
        {
            GrpcRestricted = [new RestrictedGroup("inference", "key", "value")],
            HttpRestricted = [new RestrictedGroup("metadata", "key", "value")],
        });
        using var client = new SluiceClient(host.GrpcAddress!, new SluiceClientOptions { Retry = RetryPolicy.None });
        var failure = await Assert.ThrowsAsync<SluiceException>(() => client.InferAsync(Request("plain")));
        Assert.Equal(
            (InferenceCode.Unavailable, "This protocol is restricted, expecting header 'triton-grpc-protocol-key'"), (failure.Code, failure.Message));
        var admitted = new CallOptions { Metadata = new RpcMetadata { { "triton-grpc-protocol-key", "value" } } };
        using (var result = await client.InferAsync(Request("plain"), admitted))
            Assert.Equal(1, result.OutputCount);
        Assert.True(await client.IsServerLiveAsync());

        using var http = new HttpClient { BaseAddress = host.HttpAddress };
        using var refused = await http.GetAsync("/v2");
        Assert.Equal(
            (HttpStatusCode.Forbidden, """{"error":"This API is restricted, expecting header 'key'"}"""),
            (refused.StatusCode, await refused.Content.ReadAsStringAsync()));
        http.DefaultRequestHeaders.Add("key", "value");
        using var served = await http.GetAsync("/v2");
        Assert.Equal(HttpStatusCode.OK, served.StatusCode);
        await host.StopAsync();
    }

    [OwnServerFact]
    public async Task S1_3_WhileStarting_ModelsStillToCome_AreUnavailable()
    {
        // The model's load outlasts the questions; were it shorter on some machine, the last assertion of them would say so.
        Write("late", "backend: \"identity\" parameters { key: \"creation_delay_sec\" value { string_value: \"10\" } }");
        await using var host = Create(options => options with { ModelControlMode = Models.ModelControlMode.Explicit, LoadModels = ["late"] });
        var starting = host.StartAsync(CancellationToken.None);
        using var client = new SluiceClient(host.GrpcAddress!, new SluiceClientOptions { Retry = RetryPolicy.None });
        foreach (var call in new Func<Task>[]
        {
            () => client.InferAsync(Request("late")), () => client.GetModelMetadataAsync("late"), () => client.GetModelConfigAsync("plain"),
            () => client.LoadModelAsync("plain"), () => client.UnloadModelAsync("late"),
        })
        {
            var failure = await Assert.ThrowsAsync<SluiceException>(call);
            Assert.Equal((InferenceCode.Unavailable, "Server not ready"), (failure.Code, failure.Message));
        }

        Assert.False(await client.IsServerReadyAsync());
        Assert.True(await client.IsServerLiveAsync());
        Assert.False(await client.IsModelReadyAsync("late"));
        Assert.False(starting.IsCompleted);
        await starting;
        Assert.True(await client.IsModelReadyAsync("late"));
        var unknown = await Assert.ThrowsAsync<SluiceException>(() => client.GetModelMetadataAsync("nobody"));
        Assert.Equal(InferenceCode.NotFound, unknown.Code);
        await host.StopAsync();
    }

    [OwnServerFact]
    public async Task S1_3_WhileStopping_StreamsAndNewCalls_AreTurnedAway()
    {
        const string Text = "GRPC server is shutting down and has stopped accepting new requests.";
        await using var host = await StartAsync(options => options);
        using var client = new SluiceClient(host.GrpcAddress!, new SluiceClientOptions { Retry = RetryPolicy.None });
        await using var stream = client.OpenInferStream();
        await stream.WriteAsync(Request("plain"));
        using (var first = await stream.ReadAsync())
            Assert.Null(first!.Error);
        var stopping = host.StopAsync();
        var failure = await Assert.ThrowsAsync<SluiceException>(() => stream.ReadAsync().AsTask());
        Assert.Equal((InferenceCode.Unavailable, Text), (failure.Code, failure.Message));
        Assert.True(await stopping);
    }

    [OwnServerFact]
    public async Task S5_4_WhileDraining_NotReadyAndNotLive_ButServing()
    {
        await using var host = await StartAsync(options => options with { DrainDelay = TimeSpan.FromSeconds(5) });
        using var client = new SluiceClient(host.GrpcAddress!, new SluiceClientOptions { Retry = RetryPolicy.None });
        Assert.True(await client.IsServerReadyAsync());
        var stopping = host.StopAsync();
        Assert.False(await client.IsServerReadyAsync());
        var live = await Assert.ThrowsAsync<SluiceException>(() => client.IsServerLiveAsync());
        Assert.Equal((InferenceCode.Unavailable, "Server exiting"), (live.Code, live.Message));
        using (var result = await client.InferAsync(Request("plain")))
            Assert.Equal(1, result.OutputCount);
        Assert.True(await stopping);
    }

    [OwnServerFact]
    public async Task S3_5_QueueFullAndTimeouts_AreUnavailable()
    {
        // One request executes for longer than the test asks; the queue has room for one more.
        Write(
            "busy",
            "backend: \"identity\" parameters { key: \"execute_delay_ms\" value { string_value: \"8000\" } }\n" +
            "max_batch_size: 1 instance_group { count: 1 kind: KIND_CPU }\n" +
            "dynamic_batching { default_queue_policy { max_queue_size: 1 allow_timeout_override: true } }");
        await using var host = await StartAsync(options => options);
        using var client = new SluiceClient(host.GrpcAddress!, new SluiceClientOptions { Retry = RetryPolicy.None });
        using var cancellation = new CancellationTokenSource();
        var executing = client.InferAsync(Batch("busy"), cancellationToken: cancellation.Token);
        await PendingAsync(host, 0, 1);
        var expired = await Assert.ThrowsAsync<SluiceException>(() => client.InferAsync(Batch("busy", ("timeout", 100_000))));
        Assert.Equal(
            (InferenceCode.Unavailable, "[request id: <id_unknown>] Request timeout expired"), (expired.Code, expired.Message));
        var waiting = client.InferAsync(Batch("busy"), cancellationToken: cancellation.Token);
        await PendingAsync(host, 1, 1);
        var full = await Assert.ThrowsAsync<SluiceException>(() => client.InferAsync(Batch("busy")));
        Assert.Equal(
            (InferenceCode.Unavailable, "[request id: <id_unknown>] Exceeds maximum queue size"), (full.Code, full.Message));
        var statistics = Assert.Single(await client.GetModelStatisticsAsync("busy"));
        Assert.Equal((0ul, 2ul), (statistics.InferenceStats.Success.Count, statistics.InferenceStats.Fail.Count));
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => executing);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await host.StopAsync();
    }

    private static InferRequestMessage Request(string model, string id = "") =>
        new() { ModelName = model, Id = id, Inputs = [InferInput.Create<float>("INPUT0", [1], 1)] };

    private static InferRequestMessage Batch(string model, params (string Name, long Value)[] parameters) => new()
    {
        ModelName = model,
        Inputs = [InferInput.Create<float>("INPUT0", [1], 1, 1)],
        Parameters = parameters.ToDictionary(entry => entry.Name, entry => new InferParameter { Int64Param = entry.Value }),
    };

    /// <summary>Waits until so many requests of model <c>busy</c> wait, and so many calls are served.</summary>
    private static async Task PendingAsync(ServerHost host, int waiting, int executing)
    {
        using var http = new HttpClient();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var line = $"nv_inference_pending_request_count{{model=\"busy\",version=\"1\"}} {waiting}\n";
        while (host.ActiveCount < waiting + executing ||
            !(await http.GetStringAsync(new Uri(host.MetricsAddress!, "/metrics"), limit.Token)).Contains(line, StringComparison.Ordinal))
            await Task.Yield();
    }

    private void Write(string name, string config)
    {
        Directory.CreateDirectory(Path.Combine(_repository, name, "1"));
        File.WriteAllText(
            Path.Combine(_repository, name, "config.pbtxt"),
            config + "\ninput { name: \"INPUT0\" data_type: TYPE_FP32 dims: -1 } output { name: \"OUTPUT0\" data_type: TYPE_FP32 dims: -1 }");
    }

    private ServerHost Create(Func<ServerOptions, ServerOptions> configure) =>
        ConformanceTarget.Create(options => configure(options with { ModelRepositories = [_repository] }));

    private async Task<ServerHost> StartAsync(Func<ServerOptions, ServerOptions> configure)
    {
        var host = Create(configure);
        Assert.True(await host.StartAsync(CancellationToken.None));
        return host;
    }
}
