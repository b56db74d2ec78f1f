using System.Runtime.CompilerServices;
using Google.Protobuf;
using Sluice.Client.Calls;
using Sluice.Client.Framing;
using Sluice.Protocol.Codec;
using Sluice.Protocol.Health;
using Sluice.Protocol.Inference;
using static Sluice.Protocol.Health.HealthCheckResponse.Types;

namespace Sluice.Client;

/// <summary>A client of one server of the open inference protocol over gRPC; make one and share it.</summary>
/// <remarks>
/// <para>Every method throws <see cref="SluiceException"/> when the call fails, and
/// <see cref="OperationCanceledException"/> when its cancellation token fires; a passed time-out is DEADLINE_EXCEEDED.</para>
/// <para><b>Ownership.</b> Dispose once; calls under way are broken off.</para>
/// <para><b>Threads.</b> Any number of callers.</para>
/// </remarks>
public sealed class SluiceClient : IDisposable
{
    private const string Service = "/inference.GRPCInferenceService/";
    private const string HealthService = "/grpc.health.v1.Health/";

    private readonly RpcChannel _channel;

    /// <summary>Makes a client; it connects with the first call.</summary>
    /// <param name="address">Such as <c>http://localhost:8001</c> (HTTP/2 without TLS) or <c>https://host:443</c>.</param>
    /// <param name="options">Settings; null = defaults.</param>
    public SluiceClient(Uri address, SluiceClientOptions? options = null) =>
        _channel = new RpcChannel(address, options ?? new SluiceClientOptions());

    /// <summary>Runs a model.</summary>
    /// <returns>The answer; the caller disposes it.</returns>
    public async Task<InferResult> InferAsync(
        InferRequestMessage request, CallOptions? options = null, CancellationToken cancellationToken = default)
    {
        var message = await UnaryCall.RunAsync(
            _channel, Service + "ModelInfer", new OutgoingInfer(request), options ?? CallOptions.Default, cancellationToken)
            .ConfigureAwait(false);
        return InferResult.Parse(message, isOfStream: false);
    }

    /// <summary>Opens a stream of inference requests.</summary>
    public InferStreamCall OpenInferStream(CallOptions? options = null, CancellationToken cancellationToken = default) =>
        new(new DuplexCall(_channel, Service + "ModelStreamInfer", options ?? CallOptions.Default, cancellationToken));

    /// <summary>Asks the standard health service.</summary>
    /// <param name="service">Empty for the whole server, or <c>model/NAME</c>.</param>
    /// <param name="options">The call's options.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async Task<ServingStatus> CheckHealthAsync(
        string service = "", CallOptions? options = null, CancellationToken cancellationToken = default)
    {
        var answer = await CallAsync(
            HealthService + "Check", new HealthCheckRequest { Service = service }, HealthCheckResponse.Parser, options,
            cancellationToken).ConfigureAwait(false);
        return answer.Status;
    }

    /// <summary>Follows the standard health service: the state now, then every change.</summary>
    /// <param name="service">Empty for the whole server, or <c>model/NAME</c>.</param>
    /// <param name="options">The call's options.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async IAsyncEnumerable<ServingStatus> WatchHealthAsync(
        string service = "", CallOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await using var stream = OpenStream<HealthCheckRequest, HealthCheckResponse>(
            HealthService + "Watch", HealthCheckResponse.Parser, options, cancellationToken);
        await stream.WriteAsync(new HealthCheckRequest { Service = service }).ConfigureAwait(false);
        stream.Complete();
        while (await stream.ReadAsync().ConfigureAwait(false) is { } answer)
            yield return answer.Status;
    }

    /// <summary>Asks whether the server runs.</summary>
    public async Task<bool> IsServerLiveAsync(CallOptions? options = null, CancellationToken cancellationToken = default) =>
        (await CallAsync(Service + "ServerLive", new ServerLiveRequest(), ServerLiveResponse.Parser, options, cancellationToken)
            .ConfigureAwait(false)).Live;

    /// <summary>Asks whether the server's models are ready.</summary>
    public async Task<bool> IsServerReadyAsync(CallOptions? options = null, CancellationToken cancellationToken = default) =>
        (await CallAsync(Service + "ServerReady", new ServerReadyRequest(), ServerReadyResponse.Parser, options, cancellationToken)
            .ConfigureAwait(false)).Ready;

    /// <summary>Asks whether a model is ready; one that is unknown is not.</summary>
    public async Task<bool> IsModelReadyAsync(
        string model, string version = "", CallOptions? options = null, CancellationToken cancellationToken = default) =>
        (await CallAsync(
            Service + "ModelReady", new ModelReadyRequest { Name = model, Version = version }, ModelReadyResponse.Parser, options,
            cancellationToken).ConfigureAwait(false)).Ready;

    /// <summary>Asks for the server's name, version and extensions.</summary>
    public Task<ServerMetadataResponse> GetServerMetadataAsync(
        CallOptions? options = null, CancellationToken cancellationToken = default) =>
        CallAsync(
            Service + "ServerMetadata", new ServerMetadataRequest(), ServerMetadataResponse.Parser, options, cancellationToken);

    /// <summary>Asks for a model's inputs, outputs and versions.</summary>
    public Task<ModelMetadataResponse> GetModelMetadataAsync(
        string model, string version = "", CallOptions? options = null, CancellationToken cancellationToken = default) =>
        CallAsync(
            Service + "ModelMetadata", new ModelMetadataRequest { Name = model, Version = version },
            ModelMetadataResponse.Parser, options, cancellationToken);

    /// <summary>Asks for a model's complete configuration.</summary>
    public async Task<ModelConfig> GetModelConfigAsync(
        string model, string version = "", CallOptions? options = null, CancellationToken cancellationToken = default) =>
        (await CallAsync(
            Service + "ModelConfig", new ModelConfigRequest { Name = model, Version = version }, ModelConfigResponse.Parser,
            options, cancellationToken).ConfigureAwait(false)).Config;

    /// <summary>Asks for statistics of one model, or of all when the name is empty.</summary>
    public async Task<IReadOnlyList<ModelStatistics>> GetModelStatisticsAsync(
        string model = "", string version = "", CallOptions? options = null, CancellationToken cancellationToken = default) =>
        (await CallAsync(
            Service + "ModelStatistics", new ModelStatisticsRequest { Name = model, Version = version },
            ModelStatisticsResponse.Parser, options, cancellationToken).ConfigureAwait(false)).ModelStats;

    /// <summary>Lists the models of the server's repositories.</summary>
    /// <param name="readyOnly">Leave out those that are not ready.</param>
    /// <param name="options">The call's options.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async Task<IReadOnlyList<RepositoryIndexResponse.Types.ModelIndex>> GetRepositoryIndexAsync(
        bool readyOnly = false, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        (await CallAsync(
            Service + "RepositoryIndex", new RepositoryIndexRequest { Ready = readyOnly }, RepositoryIndexResponse.Parser,
            options, cancellationToken).ConfigureAwait(false)).Models;

    /// <summary>Loads a model, or loads it anew; completes when it is ready.</summary>
    public Task LoadModelAsync(
        string model, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        CallAsync(
            Service + "RepositoryModelLoad", new RepositoryModelLoadRequest { ModelName = model },
            RepositoryModelLoadResponse.Parser, options, cancellationToken);

    /// <summary>Unloads a model; requests that it runs are finished.</summary>
    public Task UnloadModelAsync(
        string model, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        CallAsync(
            Service + "RepositoryModelUnload", new RepositoryModelUnloadRequest { ModelName = model },
            RepositoryModelUnloadResponse.Parser, options, cancellationToken);

    /// <summary>Calls any unary method.</summary>
    /// <param name="path">Such as <c>/grpc.health.v1.Health/Check</c>.</param>
    /// <param name="request">The request.</param>
    /// <param name="parser">The response's parser.</param>
    /// <param name="options">The call's options.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async Task<TResponse> CallAsync<TRequest, TResponse>(
        string path, TRequest request, MessageParser<TResponse> parser, CallOptions? options = null,
        CancellationToken cancellationToken = default)
        where TRequest : IMessage
        where TResponse : class, IMessage<TResponse>
    {
        using var answer = await UnaryCall.RunAsync(
            _channel, path, new OutgoingGenerated(request), options ?? CallOptions.Default, cancellationToken)
            .ConfigureAwait(false);
        return parser.ParseFrom(answer.Memory.Span);
    }

    /// <summary>Opens a stream of any streaming method; for server streaming write one message and complete.</summary>
    /// <param name="path">Such as <c>/grpc.health.v1.Health/Watch</c>.</param>
    /// <param name="parser">The responses' parser.</param>
    /// <param name="options">The call's options.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public RpcStreamCall<TRequest, TResponse> OpenStream<TRequest, TResponse>(
        string path, MessageParser<TResponse> parser, CallOptions? options = null,
        CancellationToken cancellationToken = default)
        where TRequest : IMessage
        where TResponse : class, IMessage<TResponse> =>
        new(new DuplexCall(_channel, path, options ?? CallOptions.Default, cancellationToken), parser);

    /// <inheritdoc/>
    public void Dispose() => _channel.Dispose();
}
