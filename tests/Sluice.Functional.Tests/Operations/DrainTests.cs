using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Reflection.V1;
using Sluice.Rpc.Dispatch;
using static Sluice.Functional.Tests.Infrastructure.SampleRequests;

namespace Sluice.Functional.Tests.Operations;

/// <summary>What becomes of open streams when the server stops (spec §1.7, §5.4).</summary>
public sealed class DrainTests
{
    [Fact]
    public async Task InferStream_ThatIsIdle_EndsAtOnceWithUnavailable()
    {
        await using var server = await StartAsync();
        using var client = server.CreateClient();
        await using var used = client.OpenInferStream();
        await used.WriteAsync(Square("a", 1, "square_int32"));
        Assert.Equal("a:1", await NextAsync(used));
        await using var unused = client.OpenInferStream();
        await Eventually.TrueAsync(() => server.Host.ActiveCount == 2, () => "the streams are not open");

        var stopping = server.Host.StopAsync();
        foreach (var stream in new[] { used, unused })
        {
            var failure = await Assert.ThrowsAsync<SluiceException>(() => NextAsync(stream));
            Assert.Equal((InferenceCode.Unavailable, RpcDispatcher.Stopping), (failure.Code, failure.Message));
        }

        Assert.True(await stopping.WaitAsync(ServerFixture.Patience));
    }

    [Fact]
    public async Task InferStream_WithRequestsUnderWay_AnswersThemAndEndsWithUnavailable()
    {
        await using var server = await StartAsync();
        using var client = server.CreateClient();
        await using var stream = client.OpenInferStream();
        await stream.WriteAsync(Repeat("a", [1, 2, 3], [0, 500, 500]));
        Assert.Equal("a:1", await NextAsync(stream));

        var stopping = server.Host.StopAsync();
        Assert.Equal(["a:2", "a:3"], await NextAsync(stream, 2));
        var failure = await Assert.ThrowsAsync<SluiceException>(() => NextAsync(stream));
        Assert.Equal((InferenceCode.Unavailable, RpcDispatcher.Stopping), (failure.Code, failure.Message));
        Assert.True(await stopping.WaitAsync(ServerFixture.Patience));
    }

    [Fact]
    public async Task Reflection_ThatIsIdle_IsNotWaitedFor()
    {
        await using var server = await StartAsync();
        using var client = server.CreateClient();
        await using var stream = client.OpenStream<ServerReflectionRequest, ServerReflectionResponse>(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", ServerReflectionResponse.Parser);
        await stream.WriteAsync(new ServerReflectionRequest { ListServices = "" });
        Assert.NotNull(await stream.ReadAsync());

        var stopping = server.Host.StopAsync();
        var failure = await Assert.ThrowsAsync<SluiceException>(() => stream.ReadAsync().AsTask());
        Assert.Equal(InferenceCode.Unavailable, failure.Code);
        Assert.True(await stopping.WaitAsync(ServerFixture.Patience));
    }

    [Fact]
    public async Task GenerateStream_UnderWay_EndsWithItsLastEvent()
    {
        await using var server = await StartAsync();
        using var http = server.CreateHttp();
        using var content = new StringContent("""{"IN":[1,2,3],"DELAY":[0,500,500],"WAIT":0}""");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v2/models/repeat_int32/generate_stream") { Content = content };
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);

        var stopping = server.Host.StopAsync();
        var text = await response.Content.ReadAsStringAsync().WaitAsync(ServerFixture.Patience);
        Assert.Equal(3, text.Split("data: ").Length - 1);
        Assert.True(await stopping.WaitAsync(ServerFixture.Patience));
    }

    /// <summary>The limit is far beyond the patience, so nothing here may be waited for until it.</summary>
    private static Task<OperatedServer> StartAsync() => OperatedServer.StartAsync(
        (options, _) => options with { ExitTimeout = TimeSpan.FromMinutes(10) }, "repeat_int32", "square_int32");
}
