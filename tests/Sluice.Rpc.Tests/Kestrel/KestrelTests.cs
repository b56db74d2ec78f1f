using System.Buffers;
using System.Net;
using System.Net.Http.Headers;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Protocol.Inference;
using Sluice.Rpc.Kestrel;

namespace Sluice.Rpc.Tests;

/// <summary>The same over real sockets and HTTP/2.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage(
    "Design", "CA1001", Justification = "xunit calls IAsyncLifetime.DisposeAsync")]
public sealed class KestrelTests : IAsyncLifetime
{
    private readonly DispatcherFixture _fixture = new();
    private readonly KestrelRpcServer _server;
    private readonly HttpClient _client = new() { Timeout = TimeSpan.FromSeconds(30) };
    private Uri _address = null!;

    public KestrelTests() => _server = new KestrelRpcServer(
        new RpcListenOptions { EndPoint = new IPEndPoint(IPAddress.Loopback, 0) }, _fixture.Dispatcher,
        NullLoggerFactory.Instance);

    public async Task InitializeAsync()
    {
        await _server.StartAsync(CancellationToken.None);
        _address = Assert.Single(_server.Addresses);
    }

    public async Task DisposeAsync()
    {
        _client.Dispose();
        await _server.StopAsync(CancellationToken.None);
        await _server.DisposeAsync();
        _fixture.Dispose();
    }

    [Fact]
    public async Task Unary_Succeeds_StatusIsInTheTrailers()
    {
        using var response = await Post(DispatcherFixture.Echo, DispatcherFixture.Request("yes"));
        var body = await response.Content.ReadAsByteArrayAsync();
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("application/grpc", response.Content.Headers.ContentType!.MediaType);
        Assert.Equal(["0"], response.TrailingHeaders.GetValues("grpc-status"));
        Assert.False(response.Headers.Contains("grpc-status"));
        Assert.True(ModelReadyResponse.Parser.ParseFrom(body.AsSpan(5)).Ready);
    }

    [Fact]
    public async Task Unary_Fails_IsTrailersOnly()
    {
        using var response = await Post("/test.Service/Nope", DispatcherFixture.Request("x"));
        Assert.Equal(["12"], response.Headers.GetValues("grpc-status"));
        Assert.Equal(["unknown method /test.Service/Nope"], response.Headers.GetValues("grpc-message"));
        Assert.Empty(await response.Content.ReadAsByteArrayAsync());
        Assert.Empty(response.TrailingHeaders);
    }

    [Fact]
    public async Task Unary_LargeMessage_ComesBackWholeAndWasAligned()
    {
        _fixture.BulkOffset = (in ReadOnlySequence<byte> _) => 11;
        var message = new byte[3_000_000];
        new Random(3).NextBytes(message);
        using var response = await Post(DispatcherFixture.Raw, FakeExchange.Frame(message));
        var body = await response.Content.ReadAsByteArrayAsync();
        Assert.Equal(["0"], response.TrailingHeaders.GetValues("grpc-status"));
        Assert.Equal(message, body[5..]);
        Assert.Equal(0, _fixture.BulkAlignment);
    }

    [Fact]
    public async Task Unary_DeadlinePasses_ThenTheSameConnectionServesOn()
    {
        _fixture.EchoAsync = async (_, token) =>
        {
            await Task.Delay(Timeout.Infinite, token);
            return new ModelReadyResponse();
        };
        using (var late = await Post(DispatcherFixture.Echo, DispatcherFixture.Request("x"), ("grpc-timeout", "30m")))
            Assert.Equal(["4"], late.Headers.GetValues("grpc-status"));
        _fixture.EchoAsync = (_, token) => new(new ModelReadyResponse { Ready = !token.IsCancellationRequested });
        for (var i = 0; i < 20; i++)
        {
            using var next = await Post(DispatcherFixture.Echo, DispatcherFixture.Request("x"));
            var body = await next.Content.ReadAsByteArrayAsync();
            Assert.True(ModelReadyResponse.Parser.ParseFrom(body.AsSpan(5)).Ready);
        }
    }

    [Fact]
    public async Task Unary_ClientGoesAway_TheHandlersTokenFires()
    {
        var isRunning = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var isCancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _fixture.EchoAsync = async (_, token) =>
        {
            token.Register(() => isCancelled.TrySetResult());
            isRunning.TrySetResult();
            await isCancelled.Task;
            throw new OperationCanceledException(token);
        };
        using var cancel = new CancellationTokenSource();
        var call = Post(DispatcherFixture.Echo, DispatcherFixture.Request("x"), token: cancel.Token);
        await isRunning.Task.WaitAsync(TimeSpan.FromSeconds(20));
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await isCancelled.Task.WaitAsync(TimeSpan.FromSeconds(20));
    }

    private Task<HttpResponseMessage> Post(
        string path, byte[] body, (string Name, string Value)? header = null, CancellationToken token = default)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_address, path))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(body),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.TE.ParseAdd("trailers");
        if (header is var (name, value))
            request.Headers.TryAddWithoutValidation(name, value);
        return _client.SendAsync(request, token);
    }
}
