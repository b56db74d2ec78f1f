using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Rpc.Calls;

namespace Sluice.Rpc.Tests;

public sealed class DispatchTests
{
    [Theory]
    [InlineData("GET", "application/grpc", 405)]
    [InlineData("POST", "application/json", 415)]
    [InlineData("POST", "application/grpcfoo", 415)]
    [InlineData("POST", null, 415)]
    [InlineData("POST", "application/grpc", 200)]
    [InlineData("POST", "application/grpc+proto", 200)]
    [InlineData("POST", "application/grpc;charset=utf-8", 200)]
    public async Task Serve_MethodAndContentType_AreChecked(string method, string? contentType, int status)
    {
        using var fixture = new DispatcherFixture();
        var exchange = new FakeExchange(DispatcherFixture.Echo) { HttpMethod = method }.With("content-type", contentType);
        await exchange.WriteAsync(DispatcherFixture.Request("yes"));
        exchange.EndRequest();
        await fixture.Serve(exchange);
        Assert.Equal(status, exchange.HttpStatus);
        Assert.Equal(status == 200 ? "0" : null, exchange.GrpcStatus);
    }

    [Theory]
    [InlineData("/test.Service/Nope", "unknown method /test.Service/Nope")]
    [InlineData("/test.service/Echo", "unknown method /test.service/Echo")]
    [InlineData("/test.Service/Later", "/test.Service/Later is not supported by this server")]
    public async Task Serve_WhatIsNotServed_IsUnimplementedInTheHeaders(string path, string message)
    {
        using var fixture = new DispatcherFixture();
        var exchange = await fixture.ServeAsync(path, DispatcherFixture.Request("x"));
        Assert.Equal(200, exchange.HttpStatus);
        Assert.Equal(("12", message), (exchange.Headers["grpc-status"], exchange.Headers["grpc-message"]));
        Assert.Empty(exchange.Trailers);
    }

    [Fact]
    public async Task Serve_HandlerFails_TheMessageIsEncoded()
    {
        using var fixture = new DispatcherFixture { EchoAsync = (_, _) => throw InferenceException.Invalid("größe 100 %\n") };
        var exchange = await fixture.ServeAsync(DispatcherFixture.Echo, DispatcherFixture.Request("x"));
        Assert.Equal(("3", "gr%C3%B6%C3%9Fe 100 %25%0A"), (exchange.Headers["grpc-status"], exchange.Headers["grpc-message"]));
    }

    [Fact]
    public async Task Serve_HandlerThrowsWhatItShouldNot_IsUnknown()
    {
        using var fixture = new DispatcherFixture { EchoAsync = (_, _) => throw new FormatException("boom") };
        var exchange = await fixture.ServeAsync(DispatcherFixture.Echo, DispatcherFixture.Request("x"));
        Assert.Equal(("2", "FormatException: boom"), (exchange.GrpcStatus, exchange.GrpcMessage));
    }

    [Fact]
    public async Task Serve_StopAccepting_RefusesNewCallsWhileOldOnesEnd()
    {
        var release = new TaskCompletionSource<ModelReadyResponse>();
        using var fixture = new DispatcherFixture { EchoAsync = (_, _) => new(release.Task) };
        var running = new FakeExchange(DispatcherFixture.Echo);
        await running.WriteAsync(DispatcherFixture.Request("x"));
        running.EndRequest();
        var served = fixture.Serve(running);
        Assert.Equal(1, fixture.Dispatcher.ActiveCount);
        fixture.Dispatcher.StopAccepting();
        var refused = new FakeExchange(DispatcherFixture.Echo);
        await fixture.Dispatcher.ServeAsync(new RpcCall(new RpcOptions(), fixture.Pool), refused);
        Assert.Equal(
            ("14", "GRPC server is shutting down and has stopped accepting new requests."),
            (refused.GrpcStatus, refused.GrpcMessage));
        release.SetResult(new ModelReadyResponse());
        await served;
        Assert.Equal("0", running.GrpcStatus);
    }

    [Fact]
    public async Task Serve_DeadlineAlreadyPassed_IsNotServed()
    {
        var isServed = false;
        using var fixture = new DispatcherFixture
        {
            EchoAsync = (_, _) =>
            {
                isServed = true;
                return new(new ModelReadyResponse());
            },
        };
        var exchange = new FakeExchange(DispatcherFixture.Echo).With("grpc-timeout", "0n");
        await fixture.Serve(exchange);
        Assert.Equal("4", exchange.Headers["grpc-status"]);
        Assert.False(isServed);
    }

    [Theory]
    [InlineData("soon")]
    [InlineData("123456789S")]
    public async Task Serve_MalformedDeadline_IsInternal(string timeout)
    {
        using var fixture = new DispatcherFixture();
        var exchange = new FakeExchange(DispatcherFixture.Echo).With("grpc-timeout", timeout);
        await fixture.Serve(exchange);
        Assert.Equal(("13", $"invalid grpc-timeout '{timeout}'"), (exchange.GrpcStatus, exchange.GrpcMessage));
    }

    [Fact]
    public async Task Serve_DeadlineDuringTheHandler_IsDeadlineExceeded()
    {
        using var fixture = new DispatcherFixture { EchoAsync = WaitForEver };
        var exchange = new FakeExchange(DispatcherFixture.Echo).With("grpc-timeout", "20m");
        await exchange.WriteAsync(DispatcherFixture.Request("x"));
        exchange.EndRequest();
        await fixture.Serve(exchange);
        Assert.Equal("4", exchange.GrpcStatus);
    }

    [Fact]
    public async Task Serve_ClientResets_IsCancelledAndTheStreamCanServeAgain()
    {
        using var fixture = new DispatcherFixture { EchoAsync = WaitForEver };
        var exchange = new FakeExchange(DispatcherFixture.Echo);
        await exchange.WriteAsync(DispatcherFixture.Request("x"));
        exchange.EndRequest();
        var served = fixture.Serve(exchange);
        await exchange.AbortSource.CancelAsync();
        await served;
        Assert.Equal("1", exchange.GrpcStatus);
        await NextCallIsNotCancelled(fixture);
    }

    [Fact]
    public async Task Serve_ClientHadResetBeforeTheTokenWasAskedFor_TheStreamCanServeAgain()
    {
        using var fixture = new DispatcherFixture { EchoAsync = WaitForEver };
        var exchange = new FakeExchange(DispatcherFixture.Echo);
        await exchange.WriteAsync(DispatcherFixture.Request("x"));
        exchange.EndRequest();
        await exchange.AbortSource.CancelAsync();
        await fixture.Serve(exchange);
        Assert.Equal("1", exchange.GrpcStatus);
        await NextCallIsNotCancelled(fixture);
    }

    [Fact]
    public async Task Serve_ServerStream_SendsEachMessageAtOnceAndTheStatusInTrailers()
    {
        var go = new TaskCompletionSource();
        using var fixture = new DispatcherFixture(null, new ServerStreamingMethod<ModelReadyRequest, ModelReadyResponse>(
            "test.Service", "Down", ModelReadyRequest.Parser, async (request, responses, _) =>
            {
                await responses.SendAsync(new ModelReadyResponse { Ready = true });
                await go.Task;
                await responses.SendAsync(new ModelReadyResponse());
                throw new InferenceException(InferenceCode.OutOfRange, $"no more for {request.Name}");
            }));
        var exchange = new FakeExchange("/test.Service/Down");
        await exchange.WriteAsync(DispatcherFixture.Request("x"));
        exchange.EndRequest();
        var served = fixture.Serve(exchange);
        Assert.True(ModelReadyResponse.Parser.ParseFrom(await exchange.NextMessageAsync()).Ready);
        go.SetResult();
        await served;
        Assert.Empty(await exchange.NextMessageAsync());
        Assert.Equal(("11", "no more for x"), (exchange.Trailers["grpc-status"], exchange.Trailers["grpc-message"]));
    }

    [Fact]
    public async Task Serve_ClientStream_SeesAllMessagesAndAnswersOnce()
    {
        using var fixture = new DispatcherFixture(null, new ClientStreamingMethod<ModelReadyRequest, ModelMetadataResponse>(
            "test.Service", "Up", ModelReadyRequest.Parser, async (requests, _) =>
            {
                var response = new ModelMetadataResponse();
                await foreach (var request in requests)
                    response.Versions.Add(request.Name);
                return response;
            }));
        foreach (var count in new[] { 0, 1, 3 })
        {
            var names = Enumerable.Range(0, count).Select(i => $"m{i}").ToArray();
            var exchange = await fixture.ServeAsync("/test.Service/Up", [.. names.Select(DispatcherFixture.Request)]);
            var (_, message) = Assert.Single(await exchange.ReadToEndAsync());
            Assert.Equal(names, ModelMetadataResponse.Parser.ParseFrom(message).Versions);
            Assert.Equal("0", exchange.Trailers["grpc-status"]);
        }
    }

    [Fact]
    public async Task Serve_Duplex_AnswersWhileRequestsStillCome()
    {
        using var fixture = new DispatcherFixture(null, new DuplexMethod<ModelReadyRequest, ModelReadyRequest>(
            "test.Service", "Both", ModelReadyRequest.Parser, async (requests, responses, _) =>
            {
                await foreach (var request in requests)
                    await responses.SendAsync(request);
            }));
        var exchange = new FakeExchange("/test.Service/Both");
        var served = fixture.Serve(exchange);
        foreach (var name in new[] { "a", "b", "c" })
        {
            await exchange.WriteMessageAsync(new ModelReadyRequest { Name = name });
            Assert.Equal(name, ModelReadyRequest.Parser.ParseFrom(await exchange.NextMessageAsync()).Name);
        }

        exchange.EndRequest();
        await served;
        Assert.Equal("0", exchange.GrpcStatus);
    }

    private static async ValueTask<ModelReadyResponse> WaitForEver(ModelReadyRequest request, CancellationToken token)
    {
        await Task.Delay(Timeout.Infinite, token);
        return new ModelReadyResponse();
    }

    private static async Task NextCallIsNotCancelled(DispatcherFixture fixture)
    {
        fixture.EchoAsync = (_, token) => new(new ModelReadyResponse { Ready = !token.IsCancellationRequested });
        var next = await fixture.ServeAsync(DispatcherFixture.Echo, DispatcherFixture.Request("x"));
        Assert.True(ModelReadyResponse.Parser.ParseFrom((await next.ReadToEndAsync())[0].Message).Ready);
    }
}
