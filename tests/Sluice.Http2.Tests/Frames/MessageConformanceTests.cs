using Sluice.Http2.Connection;

namespace Sluice.Http2.Tests.Frames;

/// <summary>What RFC 9113 demands of a server and a client can provoke: its section 8, HTTP's messages in frames; the section stands in each name.</summary>
/// <remarks>Each case runs against all transports. Where a rule leaves the choice, every allowed code is accepted.</remarks>
public sealed class MessageConformanceTests
{
    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S8_1_AnswerBeforeTheRequestsEnd_ResetsWithNoError(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.HeadersAsync(1, "/t.S/Nothing");
        var answer = await client.NextAsync(f => f.StreamId == 1);
        Assert.Equal(FrameType.Headers, answer.Type);
        Assert.True(answer.EndsStream);
        await client.ExpectStreamErrorAsync(1, Http2ErrorCode.NoError);
        await client.SendAsync(FrameType.Data, FrameFlags.None, 1, new byte[1000]);
        await client.ExpectAliveAsync(3);
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S8_1_Trailers_EndTheRequest(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.HeadersAsync(1, TestServer.Echo);
        await client.SendAsync(FrameType.Data, FrameFlags.None, 1, FrameClient.Message([3, 2, 1]));
        await client.SendAsync(
            FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.EndStream, 1, FrameClient.Block(("x-checksum", "1")));
        Assert.Equal([3, 2, 1], await client.MessageAsync(1));
    }

    public static TheoryData<Transport, string, byte[]> MalformedRequests
    {
        get
        {
            var cases = new TheoryData<Transport, string, byte[]>();
            foreach (var transport in Enum.GetValues<Transport>())
            {
                // Kestrel lets transfer-encoding pass.
                foreach (var (rule, block) in MalformedBlocks())
                {
                    if (transport != Transport.Kestrel || !rule.Contains("transfer-encoding", StringComparison.Ordinal))
                        cases.Add(transport, rule, block);
                }
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(MalformedRequests))]
    public async Task MalformedRequest_IsAStreamError(Transport transport, string rule, byte[] block)
    {
        Assert.NotEmpty(rule);
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.SendAsync(FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.EndStream, 1, block);
        await client.ExpectStreamErrorAsync(1, Http2ErrorCode.ProtocolError);
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S8_1_1_ContentLengthThatDisagrees_IsAnError(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.SendAsync(
            FrameType.Headers, FrameFlags.EndHeaders, 1, FrameClient.Request(TestServer.Echo, ("content-length", "4")));
        await client.SendAsync(FrameType.Data, FrameFlags.EndStream, 1, FrameClient.Message([1, 2, 3]));
        await client.ExpectStreamErrorAsync(1, Http2ErrorCode.ProtocolError);
    }

    private static IEnumerable<(string Rule, byte[] Block)> MalformedBlocks()
    {
        var path = TestServer.Echo;
        yield return ("8.2.1 an upper-case name", FrameClient.Request(path, ("X-Upper", "1")));
        yield return ("8.2.2 connection", FrameClient.Request(path, ("connection", "keep-alive")));
        yield return ("8.2.2 transfer-encoding", FrameClient.Request(path, ("transfer-encoding", "chunked")));
        yield return ("8.2.2 te other than trailers", FrameClient.Request(path, ("te", "gzip")));
        yield return ("8.3 a pseudo field behind a regular one", FrameClient.Request(path, (":authority", "x")));
        yield return ("8.3 an unknown pseudo field",
            FrameClient.Block((":method", "POST"), (":scheme", "http"), (":path", path), (":test", "x")));
        yield return ("8.3 a pseudo field of responses",
            FrameClient.Block((":method", "POST"), (":scheme", "http"), (":path", path), (":status", "200")));
        yield return ("8.3.1 no :method", FrameClient.Block((":scheme", "http"), (":path", path)));
        yield return ("8.3.1 no :scheme", FrameClient.Block((":method", "POST"), (":path", path)));
        yield return ("8.3.1 no :path", FrameClient.Block((":method", "POST"), (":scheme", "http")));
        yield return ("8.3.1 an empty :path", FrameClient.Block((":method", "POST"), (":scheme", "http"), (":path", "")));
        yield return ("8.3.1 :method twice",
            FrameClient.Block((":method", "POST"), (":method", "POST"), (":scheme", "http"), (":path", path)));
        yield return ("8.3.1 :path twice",
            FrameClient.Block((":method", "POST"), (":scheme", "http"), (":path", path), (":path", path)));
    }
}
