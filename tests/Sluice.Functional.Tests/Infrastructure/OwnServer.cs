using System.Net;
using Google.Protobuf;
using Microsoft.Extensions.Logging;
using Sluice.Client;
using Sluice.Server;
using Sluice.Server.Composition;

namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>A server with settings and models of one test's own.</summary>
internal sealed class OwnServer : IAsyncDisposable
{
    public const string Service = "/inference.GRPCInferenceService/";

    private readonly LogRecorder _log = new();
    private readonly LoggerFactory _loggers;
    private readonly DirectoryInfo _repository = Directory.CreateTempSubdirectory("sluice-models-");

    private OwnServer(Func<ServerOptions, ServerOptions> configure, TimeProvider time, string[] models)
    {
        _loggers = new LoggerFactory([_log]);
        TestModels.CopyTo(_repository.FullName, models);
        Host = new ServerHost(
            configure(new ServerOptions
            {
                ModelRepositories = [_repository.FullName],
                Grpc = new IPEndPoint(IPAddress.Loopback, 0),
                Http = new IPEndPoint(IPAddress.Loopback, 0),
                Metrics = null,
                StrictReadiness = false,
                WarmUp = false,
                GrpcTransport = ServerFixture.Transport,
                ExitTimeout = TimeSpan.FromSeconds(10),
            }),
            _loggers,
            time);
    }

    public ServerHost Host { get; }

    public string Repository => _repository.FullName;

    public SluiceClient Grpc { get; private set; } = null!;

    public HttpClient Http { get; private set; } = null!;

    /// <summary>Starts a server that has the named models of the test assets.</summary>
    public static Task<OwnServer> StartAsync(Func<ServerOptions, ServerOptions> configure, params string[] models) =>
        StartAsync(TimeProvider.System, configure, models);

    public static async Task<OwnServer> StartAsync(TimeProvider time, Func<ServerOptions, ServerOptions> configure, params string[] models)
    {
        var server = new OwnServer(configure, time, models);
        Assert.True(await server.Host.StartAsync(CancellationToken.None));
        server.Grpc = new SluiceClient(server.Host.GrpcAddress!);
        server.Http = new HttpClient { BaseAddress = server.Host.HttpAddress };
        return server;
    }

    /// <summary>Calls a method of the inference service.</summary>
    public Task<TResponse> CallAsync<TResponse>(string method, IMessage request, CallOptions? options = null)
        where TResponse : class, IMessage<TResponse>, new() =>
        Grpc.CallAsync(Service + method, request, new MessageParser<TResponse>(() => new TResponse()), options);

    /// <summary>Posts JSON and returns the status with the body.</summary>
    public async Task<(int Status, string Text)> PostAsync(string path, string json)
    {
        using var content = new StringContent(json);
        using var response = await Http.PostAsync(path, content);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    public async Task<(int Status, string Text)> GetAsync(string path)
    {
        using var response = await Http.GetAsync(path);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    /// <summary>Takes the errors logged so far as expected ones; there must be some.</summary>
    public void ExpectErrors() => Assert.NotEmpty(_log.TakeErrors());

    /// <summary>Stops the server; fails when it logged an error or did not drain.</summary>
    public async ValueTask DisposeAsync()
    {
        Grpc.Dispose();
        Http.Dispose();
        var hasDrained = await Host.StopAsync();
        var (rented, users) = (Host.Pool.RentedCount, Host.SharedMemory?.UserCount ?? 0);
        await Host.DisposeAsync();
        _repository.Delete(recursive: true);
        _loggers.Dispose();
        var errors = _log.TakeErrors();
        _log.Dispose();
        Assert.True(hasDrained, "calls were still running when the server stopped");
        Assert.Empty(errors);
        Assert.Equal((0, 0), (rented, users));
    }
}
