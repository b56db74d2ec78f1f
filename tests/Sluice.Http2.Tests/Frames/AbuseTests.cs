using Sluice.Http2.Connection;

namespace Sluice.Http2.Tests.Frames;

/// <summary>Attacks on HTTP/2 servers, each ended with the right code and without harm to others.</summary>
public sealed class AbuseTests
{
    [Theory]
    [MemberData(nameof(Transports.Own), MemberType = typeof(Transports))]
    public async Task RapidReset_Cve2023_44487_IsEndedAndWorkIsBounded(Transport transport)
    {
        await using var server = await TestServer.StartAsync(
            transport, new Http2Limits { MaxStreams = 100, IdleFramesPerSecond = 100 });
        await using var client = await FrameClient.ConnectAsync(server);
        using var burst = new MemoryStream();
        for (var id = 1; id < 4000; id += 2)
        {
            burst.Write(FrameClient.Encode(
                FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.EndStream, id, FrameClient.Request(TestServer.Wait)));
            burst.Write(FrameClient.Encode(FrameType.RstStream, FrameFlags.None, id, [0, 0, 0, 8]));
        }

        await client.WriteAsync(burst.ToArray());
        await client.ExpectConnectionErrorAsync(Http2ErrorCode.EnhanceYourCalm);
        Assert.Equal(1, server.Native!.Counters.Failures(Http2ErrorCode.EnhanceYourCalm));
        Assert.Contains(("enhance_your_calm", 1L), server.Native.Events);
        await TestServer.Until(() => server.ActiveCount == 0, "calls end");
        await using var other = await FrameClient.ConnectAsync(server);
        await other.ExpectAliveAsync(1);
    }

    [Theory]
    [MemberData(nameof(Transports.Own), MemberType = typeof(Transports))]
    public async Task ResetStreams_StillRunning_TakeTheirPlaces(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport, new Http2Limits { MaxStreams = 4 });
        await using var client = await FrameClient.ConnectAsync(server);
        for (var id = 1; id <= 9; id += 2)
            await client.HeadersAsync(id, TestServer.Wait, FrameFlags.EndStream);
        await client.ExpectStreamErrorAsync(9, Http2ErrorCode.RefusedStream);
        await TestServer.Until(() => server.ActiveCount == 4, "the others run");
    }

    [Theory]
    [MemberData(nameof(Transports.Own), MemberType = typeof(Transports))]
    public async Task ContinuationFlood_Cve2024_27316_IsEnded(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.SendAsync(FrameType.Headers, FrameFlags.None, 1, FrameClient.Request(TestServer.Echo));
        for (var i = 0; i < 20; i++)
            await client.SendAsync(FrameType.Continuation, FrameFlags.None, 1, 0, 1, (byte)'a', 1, (byte)'b');
        await client.ExpectConnectionErrorAsync(Http2ErrorCode.EnhanceYourCalm);
    }

    [Theory]
    [InlineData(Transport.Native, "PING")]
    [InlineData(Transport.Native, "SETTINGS")]
    [InlineData(Transport.Native, "PRIORITY")]
    [InlineData(Transport.Native, "empty DATA")]
    [InlineData(Transport.Native, "unknown")]
    [InlineData(Transport.Sockets, "PING")]
    [InlineData(Transport.Sockets, "SETTINGS")]
    [InlineData(Transport.Sockets, "PRIORITY")]
    [InlineData(Transport.Sockets, "empty DATA")]
    [InlineData(Transport.Sockets, "unknown")]
    public async Task Flood_OfFramesWithoutWork_IsEnded(Transport transport, string kind)
    {
        await using var server = await TestServer.StartAsync(transport, new Http2Limits { IdleFramesPerSecond = 50 });
        await using var client = await FrameClient.ConnectAsync(server);
        await client.HeadersAsync(1, TestServer.Stream);
        var frame = kind switch
        {
            "PING" => FrameClient.Encode(FrameType.Ping, FrameFlags.Ack ^ FrameFlags.Ack, 0, new byte[8]),
            "SETTINGS" => FrameClient.Encode(FrameType.Settings, FrameFlags.None, 0, []),
            "PRIORITY" => FrameClient.Encode(FrameType.Priority, FrameFlags.None, 1, new byte[5]),
            "empty DATA" => FrameClient.Encode(FrameType.Data, FrameFlags.None, 1, []),
            _ => FrameClient.Encode((FrameType)0x77, FrameFlags.None, 0, []),
        };
        await client.WriteAsync([.. Enumerable.Repeat(frame, 2000).SelectMany(bytes => bytes)]);
        await client.ExpectConnectionErrorAsync(Http2ErrorCode.EnhanceYourCalm);
    }

    [Theory]
    [MemberData(nameof(Transports.Own), MemberType = typeof(Transports))]
    public async Task HeaderBomb_ManyReferencesToOneLargeField_IsAnsweredWith431(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        byte[] field = [0x40, 1, (byte)'x', 127, .. new byte[] { 0xa1, 0x1e }, .. Enumerable.Repeat((byte)'y', 4000)];
        byte[] block = [.. FrameClient.Request(TestServer.Echo), .. field, .. Enumerable.Repeat((byte)0xbe, 5000)];
        await client.SendAsync(FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.EndStream, 1, block);
        var answer = await client.NextAsync(f => f.StreamId == 1);
        var list = new Http2.Hpack.HeaderList(1000);
        new Http2.Hpack.HpackDecoder(4096).Decode(answer.Payload, list);
        Assert.Equal("431", list.Fields[0].Value);
        await client.ExpectAliveAsync(3);
    }

    [Theory]
    [MemberData(nameof(Transports.Own), MemberType = typeof(Transports))]
    public async Task HeaderBlock_AboveTheLimit_IsEnded(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.SendAsync(FrameType.Headers, FrameFlags.EndHeaders, 1, new byte[60_000]);
        await client.ExpectConnectionErrorAsync(Http2ErrorCode.EnhanceYourCalm);
    }

    [Theory]
    [MemberData(nameof(Transports.Own), MemberType = typeof(Transports))]
    public async Task SlowHandshake_IsEnded(Transport transport)
    {
        await using var server = await TestServer.StartAsync(
            transport, new Http2Limits { HandshakeTimeout = TimeSpan.FromMilliseconds(100) });
        await using var client = await FrameClient.ConnectAsync(server, handshake: false);
        await client.WriteAsync(FrameClient.Preface[..10]);
        await client.ExpectConnectionErrorAsync(Http2ErrorCode.SettingsTimeout);
        await client.ExpectClosedAsync();
    }

    [Theory]
    [MemberData(nameof(Transports.Own), MemberType = typeof(Transports))]
    public async Task SlowHeaderBlock_IsEnded(Transport transport)
    {
        await using var server = await TestServer.StartAsync(
            transport, new Http2Limits { HeaderBlockTimeout = TimeSpan.FromMilliseconds(100) });
        await using var client = await FrameClient.ConnectAsync(server);
        await client.SendAsync(FrameType.Headers, FrameFlags.None, 1, FrameClient.Request(TestServer.Echo));
        await client.ExpectConnectionErrorAsync(Http2ErrorCode.EnhanceYourCalm);
    }

    [Theory]
    [MemberData(nameof(Transports.Own), MemberType = typeof(Transports))]
    public async Task ClosedWindow_OfAStream_EndsTheStreamAlone(Transport transport)
    {
        await using var server = await TestServer.StartAsync(
            transport, new Http2Limits { SendStallTimeout = TimeSpan.FromMilliseconds(100) });
        await using var client = await FrameClient.ConnectAsync(server, true, (4, 0));
        await client.CallAsync(1, TestServer.Echo, [1, 2, 3]);
        await client.ExpectStreamErrorAsync(1, Http2ErrorCode.Cancel);
        await client.SettingsAsync((4, 1000));
        await client.ExpectAliveAsync(3);
        Assert.Equal(1, server.Native!.Counters.Stalls);
    }

    [Theory]
    [MemberData(nameof(Transports.Own), MemberType = typeof(Transports))]
    public async Task ReaderThatStops_IsBoundedInMemory(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server, true, (4, int.MaxValue));
        await client.WindowAsync(0, 2_000_000_000);
        for (var id = 1; id <= 39; id += 2)
            await client.CallAsync(id, TestServer.Large, BitConverter.GetBytes(100_000_000));
        await TestServer.Until(() => server.ActiveCount == 20, "the calls run");

        // They wait for the reader: nothing grows any more, and a stop of the reader costs no more than the high-water mark each.
        var before = GC.GetTotalMemory(forceFullCollection: true);
        await Task.Delay(300);
        Assert.InRange(server.Native!.Memory.RentedBytes, 0, 8 * 1024 * 1024);
        Assert.InRange(before, 0, 200 * 1024 * 1024);
        Assert.Equal(20, server.ActiveCount);
    }

    [Theory]
    [MemberData(nameof(Transports.Own), MemberType = typeof(Transports))]
    public async Task AnswersThatNobodyReads_EndTheConnection(Transport transport)
    {
        await using var server = await TestServer.StartAsync(
            transport, new Http2Limits { IdleFramesPerSecond = 100_000_000, MaxControlBytes = 4096, SendStallTimeout = TimeSpan.FromSeconds(2) });
        await using var client = await FrameClient.ConnectAsync(server);
        byte[] pings = [.. Enumerable.Repeat(FrameClient.Encode(FrameType.Ping, FrameFlags.None, 0, new byte[8]), 60_000).SelectMany(b => b)];
        try
        {
            for (var i = 0; i < 200 && server.Native!.Connections.Open > 0; i++)
                await client.WriteAsync(pings);
        }
        catch (IOException)
        {
            // The server has closed, as it should.
        }

        await TestServer.Until(
            () => server.Native!.Counters.Failures(Http2ErrorCode.EnhanceYourCalm) == 1, "the connection is ended");
        await TestServer.Until(() => server.Native!.Connections.Open == 0, "the connection is closed");
    }

    [Theory]
    [MemberData(nameof(Transports.Own), MemberType = typeof(Transports))]
    public async Task Disconnects_AtEveryByteOfACall_LeaveNothing(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        byte[] call =
        [
            .. FrameClient.Preface, .. FrameClient.Encode(FrameType.Settings, FrameFlags.None, 0, []),
            .. FrameClient.Encode(FrameType.Headers, FrameFlags.EndHeaders, 1, FrameClient.Request(TestServer.Echo)),
            .. FrameClient.Encode(FrameType.Data, FrameFlags.EndStream, 1, FrameClient.Message(new byte[40])),
        ];
        for (var length = 0; length < call.Length; length += 3)
        {
            await using var client = await FrameClient.ConnectAsync(server, handshake: false);
            await client.WriteAsync(call[..length]);
        }

        await TestServer.Until(() => server.Native!.Connections.Open == 0, "connections end");
    }

    [Theory]
    [MemberData(nameof(Transports.Own), MemberType = typeof(Transports))]
    public async Task ManyResets_LeaveNoStreamAndNoBuffer(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        var id = 1;
        for (var round = 0; round < 200; round++)
        {
            using var burst = new MemoryStream();
            for (var i = 0; i < 50; i++, id += 2)
            {
                burst.Write(FrameClient.Encode(
                    FrameType.Headers, FrameFlags.EndHeaders, id, FrameClient.Request(i % 2 == 0 ? TestServer.Wait : TestServer.Stream)));
                burst.Write(FrameClient.Encode(FrameType.Data, FrameFlags.None, id, FrameClient.Message(new byte[i])));
                burst.Write(FrameClient.Encode(FrameType.RstStream, FrameFlags.None, id, [0, 0, 0, 8]));
            }

            await client.WriteAsync(burst.ToArray());
        }

        await TestServer.Until(() => server.Native!.Counters.ResetStreams == 10_000, "all resets are seen");
        await TestServer.Until(() => server.ActiveCount == 0, "calls end");
        await client.ExpectAliveAsync(id);
    }
}
