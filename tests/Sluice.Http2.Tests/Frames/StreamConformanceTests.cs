using Sluice.Http2.Connection;

namespace Sluice.Http2.Tests.Frames;

/// <summary>What RFC 9113 demands of a server and a client can provoke: its section 5, the states of streams, and the windows of 5.2 and 6.9; the section stands in each name.</summary>
/// <remarks>Each case runs against all transports. Where a rule leaves the choice, every allowed code is accepted.</remarks>
public sealed class StreamConformanceTests
{
    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S5_1_DataOnAHalfClosedStream_IsAnError(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.HeadersAsync(1, TestServer.Wait, FrameFlags.EndStream);
        await client.SendAsync(FrameType.Data, FrameFlags.None, 1, 1, 2, 3);
        await client.ExpectStreamErrorAsync(1, Http2ErrorCode.StreamClosed);
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S5_1_HeadersOnAHalfClosedStream_AreAnError(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.HeadersAsync(1, TestServer.Wait, FrameFlags.EndStream);
        await client.HeadersAsync(1, TestServer.Wait, FrameFlags.EndStream);
        await client.ExpectStreamErrorAsync(1, Http2ErrorCode.StreamClosed);
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S5_1_HeadersOnAClosedStream_AreAnError(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.ExpectAliveAsync(1);
        await client.HeadersAsync(1, TestServer.Echo, FrameFlags.EndStream);
        await client.ExpectStreamErrorAsync(1, Http2ErrorCode.StreamClosed);
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S5_1_WindowUpdateAndResetOfAClosedStream_AreIgnored(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.ExpectAliveAsync(1);
        await client.WindowAsync(1, 100);
        await client.SendAsync(FrameType.RstStream, FrameFlags.None, 1, 0, 0, 0, 8);
        await client.ExpectAliveAsync(3);
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S5_1_1_SmallerStreamNumber_IsAnError(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.ExpectAliveAsync(5);
        await client.HeadersAsync(3, TestServer.Echo, FrameFlags.EndStream);
        await client.ExpectConnectionErrorAsync(Http2ErrorCode.ProtocolError, Http2ErrorCode.StreamClosed);
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S5_1_2_TooManyStreams_AreRefused(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport, new Http2Limits { MaxStreams = 2 });
        await using var client = await FrameClient.ConnectAsync(server);
        for (var id = 1; id <= 5; id += 2)
            await client.HeadersAsync(id, TestServer.Wait, FrameFlags.EndStream);
        await client.ExpectStreamErrorAsync(5, Http2ErrorCode.RefusedStream, Http2ErrorCode.ProtocolError);
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S5_2_NoDataBeyondTheStreamsWindow(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server, true, (4, 3));
        await client.CallAsync(1, TestServer.Echo, [1, 2, 3, 4, 5, 6, 7]);
        var first = await client.NextAsync(f => f.Type == FrameType.Data);
        Assert.Equal(3, first.Payload.Length);
        await client.SendAsync(FrameType.Ping, FrameFlags.None, 0, new byte[8]);
        var next = await client.NextAsync(f => f.Type is FrameType.Data or FrameType.Ping);
        Assert.Equal(FrameType.Ping, next.Type);
        await client.WindowAsync(1, 4);
        Assert.Equal(4, (await client.NextAsync(f => f.Type == FrameType.Data)).Payload.Length);
        await client.WindowAsync(1, 1000);
        Assert.Equal(5, (await client.NextAsync(f => f.Type == FrameType.Data && f.Payload.Length > 0)).Payload.Length);
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S5_2_NoDataBeyondTheConnectionsWindow(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server, true, (4, 1_000_000));
        await client.CallAsync(1, TestServer.Large, BitConverter.GetBytes(200_000));
        var received = 0;
        while (received < 65535)
            received += (await client.NextAsync(f => f.Type == FrameType.Data)).Payload.Length;
        Assert.Equal(65535, received);
        await client.SendAsync(FrameType.Ping, FrameFlags.None, 0, new byte[8]);
        Assert.Equal(FrameType.Ping, (await client.NextAsync(f => f.Type is FrameType.Data or FrameType.Ping)).Type);
        await client.WindowAsync(0, 1_000_000);
        while (received < 200_005)
            received += (await client.NextAsync(f => f.Type == FrameType.Data)).Payload.Length;
        Assert.Equal(200_005, received);
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S6_9_1_DataBeyondOurWindow_IsAnError(Transport transport)
    {
        await using var server = await TestServer.StartAsync(
            transport, new Http2Limits { StreamWindowBytes = 65535, ConnectionWindowBytes = 200_000 });
        await using var client = await FrameClient.ConnectAsync(server);
        await client.HeadersAsync(1, TestServer.Wait);
        for (var i = 0; i < 5; i++)
            await client.SendAsync(FrameType.Data, FrameFlags.None, 1, new byte[16384]);
        await client.ExpectStreamErrorAsync(1, Http2ErrorCode.FlowControlError);
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S6_9_WeGiveBackWhatWeRead(Transport transport)
    {
        await using var server = await TestServer.StartAsync(
            transport, new Http2Limits { StreamWindowBytes = 65535, ConnectionWindowBytes = 100_000 });
        await using var client = await FrameClient.ConnectAsync(server);
        await client.HeadersAsync(1, TestServer.Stream);
        await client.WindowAsync(0, 100_000_000);
        await client.WindowAsync(1, 100_000_000);
        var (stream, connection) = (65535, 65535);
        for (var sent = 0; sent < 100; sent++)
        {
            while (stream < 10_005 || connection < 10_005)
            {
                var update = await client.NextAsync(f => f.Type == FrameType.WindowUpdate);
                if (update.StreamId == 0)
                    connection += update.Number();
                else
                    stream += update.Number();
            }

            await client.SendAsync(FrameType.Data, FrameFlags.None, 1, FrameClient.Message(new byte[10_000]));
            stream -= 10_005;
            connection -= 10_005;
        }
    }

    /// <summary>A reader that takes large messages and answers nothing must not leave the peer without a window.</summary>
    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S6_9_LargeMessagesWithoutAnswers_KeepComing(Transport transport)
    {
        await using var server = await TestServer.StartAsync(
            transport, new Http2Limits { StreamWindowBytes = 200_000, ConnectionWindowBytes = 400_000 });
        await using var client = await FrameClient.ConnectAsync(server);
        await client.HeadersAsync(1, TestServer.Silent);
        var (stream, connection) = (200_000, 400_000);
        for (var message = 0; message < 10; message++)
        {
            foreach (var piece in FrameClient.Message(new byte[199_995]).Chunk(10_000))
            {
                while (stream < piece.Length || connection < piece.Length)
                {
                    var update = await client.NextAsync(f => f.Type is FrameType.WindowUpdate or FrameType.Settings);
                    if (update.Type == FrameType.Settings)
                        continue;
                    if (update.StreamId == 0)
                        connection += update.Number();
                    else
                        stream += update.Number();
                }

                await client.SendAsync(FrameType.Data, FrameFlags.None, 1, piece);
                stream -= piece.Length;
                connection -= piece.Length;
            }
        }
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S6_9_WindowOverflowOfAStream_IsAnError(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.HeadersAsync(1, TestServer.Wait);
        await client.WindowAsync(1, int.MaxValue);
        await client.ExpectStreamErrorAsync(1, Http2ErrorCode.FlowControlError);
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S6_9_WindowUpdateOfZeroOnAStream_IsAnError(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.HeadersAsync(1, TestServer.Wait);
        await client.WindowAsync(1, 0);
        await client.ExpectStreamErrorAsync(1, Http2ErrorCode.ProtocolError);
    }

    /// <summary>An answer whose last bytes are lent is whole when these have left, whatever its handler does afterwards.</summary>
    [Theory]
    [InlineData(Transport.Native)]
    [InlineData(Transport.Sockets)]
    public async Task S8_1_TheEnd_LeavesWithTheLastLentBytes(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server, true, (4, 1_000_000));
        await client.WindowAsync(0, 1_000_000);
        await client.CallAsync(1, TestServer.Held, BitConverter.GetBytes(100_000));
        var length = 0;
        Frame? frame;
        for (frame = await client.ReadAsync(); frame is not { EndsStream: true }; frame = await client.ReadAsync())
            length += frame!.Type == FrameType.Data ? frame.Payload.Length : 0;
        Assert.Equal(FrameType.Headers, frame.Type);
        Assert.Equal(100_005, length);
        Assert.Equal(1, server.ActiveCount);
    }
}
