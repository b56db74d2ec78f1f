using Sluice.Http2.Connection;

namespace Sluice.Http2.Tests.Frames;

/// <summary>What RFC 9113 demands of a server and a client can provoke: frames that end the connection; the section stands in each name.</summary>
/// <remarks>Each case runs against all transports. Where a rule leaves the choice, every allowed code is accepted.</remarks>
public sealed class ConnectionErrorTests
{
    public static TheoryData<Transport, string, byte[], Http2ErrorCode[]> ConnectionErrors
    {
        get
        {
            var cases = new TheoryData<Transport, string, byte[], Http2ErrorCode[]>();
            foreach (var transport in Enum.GetValues<Transport>())
            {
                foreach (var (rule, frames, codes) in BrokenFrames())
                    cases.Add(transport, rule, frames, codes);
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(ConnectionErrors))]
    public async Task BrokenFrame_EndsTheConnection(Transport transport, string rule, byte[] frames, Http2ErrorCode[] codes)
    {
        Assert.NotEmpty(rule);
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.WriteAsync(frames);
        await client.ExpectConnectionErrorAsync(codes);
        await client.ExpectClosedAsync();
    }

    private static IEnumerable<(string Rule, byte[] Frames, Http2ErrorCode[] Codes)> BrokenFrames()
    {
        var protocol = new[] { Http2ErrorCode.ProtocolError };
        var size = new[] { Http2ErrorCode.FrameSizeError };
        var open = FrameClient.Encode(FrameType.Headers, FrameFlags.EndHeaders, 1, FrameClient.Request(TestServer.Wait));
        yield return ("6.1 DATA on stream 0", FrameClient.Encode(FrameType.Data, FrameFlags.None, 0, [1]), protocol);
        yield return ("5.1 DATA on an idle stream", FrameClient.Encode(FrameType.Data, FrameFlags.None, 1, [1]),
            [Http2ErrorCode.ProtocolError, Http2ErrorCode.StreamClosed]);
        yield return ("6.1 DATA that is all padding",
            [.. open, .. FrameClient.Encode(FrameType.Data, FrameFlags.Padded, 1, [5, 0, 0])], protocol);
        yield return ("6.2 HEADERS on stream 0",
            FrameClient.Encode(FrameType.Headers, FrameFlags.EndHeaders, 0, FrameClient.Request(TestServer.Echo)), protocol);
        yield return ("5.1.1 HEADERS on an even stream",
            FrameClient.Encode(FrameType.Headers, FrameFlags.EndHeaders, 2, FrameClient.Request(TestServer.Echo)), protocol);
        yield return ("6.2 HEADERS that are all padding",
            FrameClient.Encode(FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.Padded, 1, [200, 0x82]), protocol);
        yield return ("4.3 a header block that cannot be decoded",
            FrameClient.Encode(FrameType.Headers, FrameFlags.EndHeaders, 1, [0x80]),
            [Http2ErrorCode.CompressionError, Http2ErrorCode.InternalError]); // Kestrel says the latter
        yield return ("6.2 DATA within a header block",
            [
                .. FrameClient.Encode(FrameType.Headers, FrameFlags.None, 1, FrameClient.Request(TestServer.Echo)),
                .. FrameClient.Encode(FrameType.Data, FrameFlags.None, 1, [1]),
            ], protocol);
        yield return ("6.10 CONTINUATION of another stream",
            [
                .. FrameClient.Encode(FrameType.Headers, FrameFlags.None, 1, FrameClient.Request(TestServer.Echo)),
                .. FrameClient.Encode(FrameType.Continuation, FrameFlags.EndHeaders, 3, []),
            ], protocol);
        yield return ("6.10 CONTINUATION of nothing", FrameClient.Encode(FrameType.Continuation, FrameFlags.EndHeaders, 1, []), protocol);
        yield return ("6.3 PRIORITY on stream 0", FrameClient.Encode(FrameType.Priority, FrameFlags.None, 0, new byte[5]), protocol);
        yield return ("6.4 RST_STREAM on stream 0", FrameClient.Encode(FrameType.RstStream, FrameFlags.None, 0, new byte[4]), protocol);
        yield return ("6.4 RST_STREAM of an idle stream", FrameClient.Encode(FrameType.RstStream, FrameFlags.None, 1, new byte[4]), protocol);
        yield return ("6.4 RST_STREAM of three bytes",
            [.. open, .. FrameClient.Encode(FrameType.RstStream, FrameFlags.None, 1, new byte[3])], size);
        yield return ("6.5 SETTINGS on a stream", FrameClient.Encode(FrameType.Settings, FrameFlags.None, 1, []), protocol);
        yield return ("6.5 SETTINGS of five bytes", FrameClient.Encode(FrameType.Settings, FrameFlags.None, 0, new byte[5]), size);
        yield return ("6.5 an acknowledgement with a payload", FrameClient.Encode(FrameType.Settings, FrameFlags.Ack, 0, new byte[6]), size);
        yield return ("6.5.2 ENABLE_PUSH of 2", FrameClient.Encode(FrameType.Settings, FrameFlags.None, 0, [0, 2, 0, 0, 0, 2]), protocol);
        yield return ("6.5.2 INITIAL_WINDOW_SIZE above 2^31-1",
            FrameClient.Encode(FrameType.Settings, FrameFlags.None, 0, [0, 4, 0x80, 0, 0, 0]), [Http2ErrorCode.FlowControlError]);
        yield return ("6.5.2 MAX_FRAME_SIZE below 16384",
            FrameClient.Encode(FrameType.Settings, FrameFlags.None, 0, [0, 5, 0, 0, 0x3f, 0xff]), protocol);
        yield return ("6.5.2 MAX_FRAME_SIZE above 2^24-1",
            FrameClient.Encode(FrameType.Settings, FrameFlags.None, 0, [0, 5, 1, 0, 0, 0]), protocol);
        yield return ("6.6 PUSH_PROMISE from a client", FrameClient.Encode(FrameType.PushPromise, FrameFlags.EndHeaders, 1, new byte[4]), protocol);
        yield return ("6.7 PING on a stream", FrameClient.Encode(FrameType.Ping, FrameFlags.None, 1, new byte[8]), protocol);
        yield return ("6.7 PING of seven bytes", FrameClient.Encode(FrameType.Ping, FrameFlags.None, 0, new byte[7]), size);
        yield return ("6.8 GOAWAY on a stream", FrameClient.Encode(FrameType.GoAway, FrameFlags.None, 1, new byte[8]), protocol);
        yield return ("6.9 WINDOW_UPDATE of 0 for the connection", FrameClient.Encode(FrameType.WindowUpdate, FrameFlags.None, 0, new byte[4]), protocol);
        yield return ("6.9 WINDOW_UPDATE of three bytes", FrameClient.Encode(FrameType.WindowUpdate, FrameFlags.None, 0, new byte[3]), size);
        yield return ("6.9 WINDOW_UPDATE of an idle stream", FrameClient.Encode(FrameType.WindowUpdate, FrameFlags.None, 1, [0, 0, 0, 1]), protocol);
        yield return ("6.9.1 the connection's window overflows",
            FrameClient.Encode(FrameType.WindowUpdate, FrameFlags.None, 0, [0x7f, 0xff, 0xff, 0xff]), [Http2ErrorCode.FlowControlError]);
        yield return ("4.2 a frame above our limit",
            [.. open, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1], size);
    }
}
