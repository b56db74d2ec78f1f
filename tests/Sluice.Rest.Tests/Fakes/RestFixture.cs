using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using Sluice.Protocol.Inference;
using Sluice.Rest.Kestrel;
using Sluice.Rest.Routing;
using Sluice.Rest.V2;
using Sluice.Rpc.Calls;
using Sluice.Rpc.Dispatch;
using Sluice.Tensors;

namespace Sluice.Rest.Tests.Fakes;

/// <summary>A server on a free port with a fake engine and fake methods; fails a test that logs an error or leaks a buffer.</summary>
public sealed class RestFixture : IAsyncLifetime, IDisposable
{
    public const int MaxInputBytes = 1_000_000;

    private const string Service = "inference.GRPCInferenceService";

    private readonly ErrorLog _log = new();
    private readonly ConcurrentQueue<string> _leaks = new();
    private readonly TensorBufferPool _pool;
    private readonly RestServer _server;

    public RestFixture()
    {
        _pool = new TensorBufferPool(new TensorBufferPoolOptions { Debug = true, OnLeak = _leaks.Enqueue });
        Engine = new FakeEngine(_pool);
        var methods = new MethodTable(
        [
            Method("ServerLive", ServerLiveRequest.Parser, _ => new ServerLiveResponse { Live = true }),
            Method("ServerReady", ServerReadyRequest.Parser, _ => new ServerReadyResponse { Ready = IsReady }),
            Method("ModelReady", ModelReadyRequest.Parser, request => new ModelReadyResponse { Ready = request.Name == "echo" }),
            Method("ModelMetadata", ModelMetadataRequest.Parser, request => new ModelMetadataResponse { Name = request.Name, Versions = { request.Version } }),
            Method("ModelConfig", ModelConfigRequest.Parser, _ => new ModelConfigResponse { Config = Config }),
            Method("RepositoryModelLoad", RepositoryModelLoadRequest.Parser, request =>
            {
                LastLoad = request;
                return new RepositoryModelLoadResponse();
            }),
        ]);
        var options = new RestListenOptions { EndPoint = new IPEndPoint(IPAddress.Loopback, 0), MaxInputBytes = MaxInputBytes };
        _server = new RestServer(options, new RestRouter(V2Routes.Create(methods, Engine)), _pool, _log);
    }

    internal FakeEngine Engine { get; }

    public bool IsReady { get; set; } = true;

    public ModelConfig Config { get; set; } = new() { Name = "echo" };

    public RepositoryModelLoadRequest? LastLoad { get; private set; }

    public HttpClient Client { get; } = new();

    public long RentedBytes => _pool.RentedBytes;

    public long ActiveCount => _server.ActiveCount;

    public async Task InitializeAsync()
    {
        await _server.StartAsync(CancellationToken.None);
        Client.BaseAddress = _server.Addresses[0];
    }

    public async Task DisposeAsync()
    {
        Client.Dispose();
        await _server.StopAsync(CancellationToken.None);
        await _server.DisposeAsync();
        _pool.Dispose();
        Assert.True(_log.Errors.IsEmpty, string.Join("\n", _log.Errors));
        Assert.True(_leaks.IsEmpty, string.Join("\n", _leaks));
    }

    public void Dispose() => _log.Dispose();

    /// <summary>Posts a body to the model's infer route.</summary>
    public async Task<(int Status, string Text)> InferAsync(string json)
    {
        using var content = new StringContent(json, Encoding.UTF8, "application/json");
        return await PostAsync("/v2/models/echo/infer", content);
    }

    public async Task<(int Status, string Text)> PostAsync(string path, HttpContent content)
    {
        using var response = await Client.PostAsync(path, content);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    /// <summary>Sends JSON and bytes by the binary extension.</summary>
    public async Task<HttpResponseMessage> InferBinaryAsync(string json, byte[] binary, int? headerLength = null)
    {
        var head = Encoding.UTF8.GetBytes(json);
        using var content = new ByteArrayContent([.. head, .. binary]);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/echo/infer") { Content = content };
        request.Headers.Add("Inference-Header-Content-Length", $"{headerLength ?? head.Length}");
        return await Client.SendAsync(request);
    }

    public async Task<NetworkStream> ConnectAsync()
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, Client.BaseAddress!.Port);
        return new NetworkStream(socket, ownsSocket: true);
    }

    /// <summary>Waits for something that another thread does, without a fixed pause.</summary>
    public static void WaitUntil(Func<bool> condition) =>
        Assert.True(SpinWait.SpinUntil(condition, TimeSpan.FromSeconds(20)), "it did not happen within 20 s");

    private static UnaryMethod<TRequest, TResponse> Method<TRequest, TResponse>(
        string name, Google.Protobuf.MessageParser<TRequest> parser, Func<TRequest, TResponse> answer)
        where TRequest : class, Google.Protobuf.IMessage<TRequest>, new()
        where TResponse : class, Google.Protobuf.IMessage<TResponse> =>
        new(Service, name, parser, (request, _) => ValueTask.FromResult(answer(request)));
}
