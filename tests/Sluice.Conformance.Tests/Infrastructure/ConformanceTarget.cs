using System.Net;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Client;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Protocol.Inference;
using Sluice.Scheduling.Cache;
using Sluice.Server;
using Sluice.Server.Composition;

namespace Sluice.Conformance.Tests.Infrastructure;

/// <summary>The server that is asked: one of our own, or the one at the addresses in <c>SLUICE_CONFORMANCE_GRPC</c> and its like.</summary>
/// <remarks>
/// A foreign server must serve the models that <see cref="RepositoryWriterTests"/> writes, in explicit mode, with clients' shared
/// memory allowed, without strict readiness and with a response cache of 1 MiB.
/// </remarks>
public sealed class ConformanceTarget : IAsyncLifetime
{
    private const string Service = "/inference.GRPCInferenceService/";

    private static readonly CallOptions Once = new() { Retry = RetryPolicy.None, Timeout = TimeSpan.FromSeconds(60) };

    private readonly DirectoryInfo _repository = Directory.CreateTempSubdirectory("sluice-conformance-");
    private ServerHost? _host;

    /// <summary>Whether somebody else's server is asked.</summary>
    public static bool IsForeign => Variable("GRPC") is not null;

    public SluiceClient Grpc { get; private set; } = null!;

    public HttpClient Http { get; private set; } = null!;

    public Uri Metrics { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        if (IsForeign)
        {
            Connect(new Uri(Variable("GRPC")!), new Uri(Variable("HTTP")!), new Uri(Variable("METRICS") ?? "http://localhost:8002"));
        }
        else
        {
            ConformanceModels.WriteTo(_repository.FullName);
            _host = Create(options => options with
            {
                ModelRepositories = [_repository.FullName],
                ModelControlMode = ModelControlMode.Explicit,
                AllowClientShm = true,
                Cache = new CacheOptions { SizeBytes = 1 << 20 },
            });
            Assert.True(await _host.StartAsync(CancellationToken.None));
            Connect(_host.GrpcAddress!, _host.HttpAddress!, _host.MetricsAddress!);
        }

        foreach (var model in ConformanceModels.Loadable)
            await Grpc.LoadModelAsync(model);
    }

    public async Task DisposeAsync()
    {
        Grpc.Dispose();
        Http.Dispose();
        if (_host is not null)
        {
            Assert.True(await _host.StopAsync(), "calls were still running when the server stopped");
            await _host.DisposeAsync();
        }

        _repository.Delete(recursive: true);
    }

    /// <summary>Makes a server in this process on free ports; the caller starts, stops and disposes it.</summary>
    public static ServerHost Create(Func<ServerOptions, ServerOptions> configure)
    {
        var loopback = new IPEndPoint(IPAddress.Loopback, 0);
        return new ServerHost(
            configure(new ServerOptions
            {
                GrpcTransport = Enum.Parse<GrpcTransport>(
                    Environment.GetEnvironmentVariable("SLUICE_TEST_GRPC_TRANSPORT") ?? "auto", ignoreCase: true),
                Grpc = loopback,
                Http = loopback,
                Metrics = loopback,
                StrictReadiness = false,
                WarmUp = false,
                ExitTimeout = TimeSpan.FromSeconds(30),
            }),
            NullLoggerFactory.Instance,
            TimeProvider.System);
    }

    /// <summary>Calls a method of the inference service, without a second attempt.</summary>
    public Task<T> CallAsync<T>(string method, IMessage request)
        where T : class, IMessage<T>, new() =>
        Grpc.CallAsync(Service + method, request, new MessageParser<T>(() => new T()), Once);

    /// <summary>Calls a method that must fail.</summary>
    public async Task<(InferenceCode Code, string Text)> FailAsync(string method, IMessage request)
    {
        try
        {
            await CallAsync<ServerLiveResponse>(method, request);
        }
        catch (SluiceException failure)
        {
            return (failure.Code, failure.Message);
        }

        return (InferenceCode.Ok, "");
    }

    public async Task<HttpAnswer> SendAsync(HttpMethod method, string path, byte[]? body = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : new ByteArrayContent(body) };
        foreach (var (name, value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
                request.Content!.Headers.TryAddWithoutValidation(name, value);
        }

        using var response = await Http.SendAsync(request);
        var all = response.Headers.Concat(response.Content.Headers)
            .ToDictionary(header => header.Key, header => string.Join(", ", header.Value), StringComparer.OrdinalIgnoreCase);
        return new HttpAnswer((int)response.StatusCode, await response.Content.ReadAsByteArrayAsync(), all);
    }

    public Task<HttpAnswer> GetAsync(string path) => SendAsync(HttpMethod.Get, path);

    public Task<HttpAnswer> PostAsync(string path, string body, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Post, path, System.Text.Encoding.UTF8.GetBytes(body), headers);

    private static string? Variable(string name) => Environment.GetEnvironmentVariable("SLUICE_CONFORMANCE_" + name);

    private void Connect(Uri grpc, Uri http, Uri metrics)
    {
        Grpc = new SluiceClient(grpc);
        Http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = http };
        Metrics = metrics;
    }
}
