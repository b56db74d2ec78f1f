using System.Net.Sockets;
using System.Text;
using Sluice.Inference;
using Sluice.Rest.Tests.Fakes;

namespace Sluice.Rest.Tests;

/// <summary>What clients do to a connection, byte by byte.</summary>
public sealed class ConnectionTests(RestFixture server) : IClassFixture<RestFixture>
{
    private const string Body = """{"inputs":[{"name":"IN_INT32","shape":[1],"datatype":"INT32","data":[5]}]}""";

    [Fact]
    public async Task Requests_Pipelined_AreAnsweredInOrder()
    {
        await using var stream = await server.ConnectAsync();
        var text = string.Concat(Enumerable.Range(0, 20).Select(i => Post(Body.Replace("[5]", $"[{i}]", StringComparison.Ordinal))));

        await stream.WriteAsync(Encoding.ASCII.GetBytes(text));

        for (var i = 0; i < 20; i++)
            Assert.EndsWith($"\"data\":[{i}]}}]}}", await ReadResponseAsync(stream));
    }

    [Fact]
    public async Task Request_AfterARefusedOne_IsServedOnTheSameConnection()
    {
        await using var stream = await server.ConnectAsync();

        await stream.WriteAsync(Encoding.ASCII.GetBytes(Post("{oops") + Post(Body)));

        Assert.StartsWith("HTTP/1.1 400", await ReadResponseAsync(stream));
        Assert.StartsWith("HTTP/1.1 200", await ReadResponseAsync(stream));
    }

    [Fact]
    public async Task Request_ByteByByte_IsServed()
    {
        await using var stream = await server.ConnectAsync();

        foreach (var one in Encoding.ASCII.GetBytes(Post(Body)))
        {
            await stream.WriteAsync(new[] { one });
            await stream.FlushAsync();
        }

        Assert.EndsWith("\"data\":[5]}]}", await ReadResponseAsync(stream));
    }

    [Fact]
    public async Task Client_SlowInTheMiddle_HoldsNobodyElseUp()
    {
        await using var slow = await server.ConnectAsync();
        var request = Encoding.ASCII.GetBytes(Post(Body));
        await slow.WriteAsync(request.AsMemory(0, request.Length - 10));
        RestFixture.WaitUntil(() => server.ActiveCount == 1);

        var (status, _) = await server.InferAsync(Body);
        await slow.WriteAsync(request.AsMemory(request.Length - 10));

        Assert.Equal(200, status);
        Assert.StartsWith("HTTP/1.1 200", await ReadResponseAsync(slow));
    }

    [Theory]
    [InlineData(500)]
    [InlineData(900_000)]
    public async Task Client_GoneMidBody_LeavesNothingBehind(int declared)
    {
        var stream = await server.ConnectAsync();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(Head(declared) + new string(' ', declared / 2)));
        RestFixture.WaitUntil(() => server.ActiveCount == 1);

        await stream.DisposeAsync();

        RestFixture.WaitUntil(() => server.ActiveCount == 0);
        Assert.Equal(0, server.RentedBytes);
        Assert.Equal(200, (await server.InferAsync(Body)).Status);
    }

    [Fact]
    public async Task Client_GoneWhileTheModelRuns_CancelsTheRequest()
    {
        var isCancelled = false;
        server.Engine.OnInfer = async request =>
        {
            var gone = new TaskCompletionSource();
            await using (request.Lifetime!.CancellationToken.Register(gone.SetResult))
                await gone.Task;
            isCancelled = true;
            request.Fail(InferenceCode.Cancelled, "gone");
        };
        var stream = await server.ConnectAsync();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(Post(Body)));
        RestFixture.WaitUntil(() => server.ActiveCount == 1);

        await stream.DisposeAsync();

        RestFixture.WaitUntil(() => server.ActiveCount == 0);
        server.Engine.OnInfer = _ => ValueTask.CompletedTask;
        Assert.True(isCancelled);
    }

    [Fact]
    public async Task Client_GoneMidAnswer_LeavesNothingBehind()
    {
        const int count = 900_000;
        var json = $"{{\"inputs\":[{{\"name\":\"IN_UINT8\",\"shape\":[{count}],\"datatype\":\"UINT8\"," +
            $"\"parameters\":{{\"binary_data_size\":{count}}}}}]}}";
        var stream = await server.ConnectAsync();
        var head = Head(json.Length + count).Replace(
            "Host: x", $"Host: x\r\nInference-Header-Content-Length: {json.Length}", StringComparison.Ordinal);
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head + json + new string('\0', count)));
        await stream.ReadExactlyAsync(new byte[1000]);

        stream.Socket.LingerState = new LingerOption(true, 0);
        await stream.DisposeAsync();

        RestFixture.WaitUntil(() => server.ActiveCount == 0);
        Assert.Equal(0, server.RentedBytes);
    }

    [Fact]
    public async Task Post_WithoutALength_HasAnEmptyBody()
    {
        await using var stream = await server.ConnectAsync();

        await stream.WriteAsync("POST /v2/repository/models/m/load HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray());

        Assert.StartsWith("HTTP/1.1 200", await ReadResponseAsync(stream));
    }

    [Fact]
    public async Task Request_InAbsoluteForm_IsRouted()
    {
        await using var stream = await server.ConnectAsync();

        await stream.WriteAsync("GET http://x/v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray());

        Assert.StartsWith("HTTP/1.1 200", await ReadResponseAsync(stream));
    }

    [Fact]
    public async Task Chunks_ThatAreNone_AreRefusedByTheTransport()
    {
        await using var stream = await server.ConnectAsync();

        await stream.WriteAsync(
            "POST /v2/models/echo/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"u8.ToArray());

        Assert.StartsWith("HTTP/1.1 400", await ReadResponseAsync(stream));
    }

    private static string Post(string body) => Head(body.Length) + body;

    private static string Head(int length) =>
        $"POST /v2/models/echo/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n";

    /// <summary>Reads one response by its Content-Length.</summary>
    private static async Task<string> ReadResponseAsync(NetworkStream stream)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        var text = new StringBuilder();
        var one = new byte[1];
        while (!text.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            await stream.ReadExactlyAsync(one, limit.Token);
            text.Append((char)one[0]);
        }

        var head = text.ToString();
        var start = head.IndexOf("Content-Length: ", StringComparison.Ordinal) + "Content-Length: ".Length;
        var body = new byte[int.Parse(head[start..head.IndexOf('\r', start)], System.Globalization.CultureInfo.InvariantCulture)];
        await stream.ReadExactlyAsync(body, limit.Token);
        return head + Encoding.UTF8.GetString(body);
    }
}
