using Sluice.Http2.Connection;

namespace Sluice.Http2.Tests.Frames;

/// <summary>What RFC 9113 demands of a server and a client can provoke: its section 6, kinds of frames but for windows; the section stands in each name.</summary>
/// <remarks>Each case runs against all transports. Where a rule leaves the choice, every allowed code is accepted.</remarks>
public sealed class FrameConformanceTests
{
    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S6_1_Padding_IsRemoved(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        byte[] headers = [20, .. FrameClient.Request(TestServer.Echo), .. new byte[20]];
        await client.SendAsync(FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.Padded, 1, headers);
        byte[] data = [200, .. FrameClient.Message([4, 5, 6]), .. new byte[200]];
        await client.SendAsync(FrameType.Data, FrameFlags.EndStream | FrameFlags.Padded, 1, data);
        Assert.Equal([4, 5, 6], await client.MessageAsync(1));
    }

    /// <summary>Padding counts against the windows, and is given back like the data.</summary>
    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S6_9_1_Padding_OfALargeMessage_IsGivenBack(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.HeadersAsync(1, TestServer.Large);
        var windows = new Dictionary<int, long> { [0] = new Http2Limits().ConnectionWindowBytes, [1] = new Http2Limits().StreamWindowBytes };
        byte[] message = [.. FrameClient.Message([.. BitConverter.GetBytes(4), .. new byte[3_000_000]])];
        for (var at = 0; at < message.Length;)
        {
            while (windows.Values.Min() < 1256)
            {
                var update = await client.NextAsync(frame => frame.Type == FrameType.WindowUpdate);
                windows[update.StreamId] += System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(update.Payload);
            }

            var part = Math.Min(1000, message.Length - at);
            byte[] data = [255, .. message.AsSpan(at, part), .. new byte[255]];
            at += part;
            await client.SendAsync(FrameType.Data, at == message.Length ? FrameFlags.Padded | FrameFlags.EndStream : FrameFlags.Padded, 1, data);
            windows[0] -= data.Length;
            windows[1] -= data.Length;
        }

        Assert.Equal(TestServer.Pattern(0, 4), await client.MessageAsync(1));
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S6_2_PriorityInHeaders_IsSkipped(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        byte[] headers = [0, 0, 0, 0, 15, .. FrameClient.Request(TestServer.Echo)];
        await client.SendAsync(FrameType.Headers, FrameFlags.EndHeaders | FrameFlags.Priority, 1, headers);
        await client.SendAsync(FrameType.Priority, FrameFlags.None, 1, 0, 0, 0, 0, 3);
        await client.SendAsync(FrameType.Data, FrameFlags.EndStream, 1, FrameClient.Message([9]));
        Assert.Equal([9], await client.MessageAsync(1));
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S6_4_Reset_CancelsTheCall(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.HeadersAsync(1, TestServer.Wait, FrameFlags.EndStream);
        await TestServer.Until(() => server.ActiveCount == 1, "the call runs");
        await client.SendAsync(FrameType.RstStream, FrameFlags.None, 1, 0, 0, 0, 8);
        await TestServer.Until(() => server.CancelledCount == 1, "the call is cancelled");
        await client.ExpectAliveAsync(3);
    }

    [Theory]
    [MemberData(nameof(Transports.Own), MemberType = typeof(Transports))]
    public async Task S6_4_ResetOfACallThatNeverBegan_EndsNoOther(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.HeadersAsync(1, TestServer.Echo);
        await client.SendAsync(FrameType.RstStream, FrameFlags.None, 3, 0, 0, 0, 8);
        await client.SendAsync(FrameType.Data, FrameFlags.EndStream, 1, FrameClient.Message([7]));
        Assert.Equal([7], await client.MessageAsync(1));
        await client.ExpectAliveAsync(5);
        await client.SendAsync(FrameType.RstStream, FrameFlags.None, 8, 0, 0, 0, 8);
        await client.ExpectConnectionErrorAsync(Http2ErrorCode.ProtocolError);
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S6_5_2_InitialWindowChanges_MoveOpenStreams(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server, true, (4, 0));
        await client.CallAsync(1, TestServer.Echo, [1, 2, 3]);
        await client.NextAsync(f => f.Type == FrameType.Headers);
        await client.SettingsAsync((4, 2));
        Assert.Equal(2, (await client.NextAsync(f => f.Type == FrameType.Data)).Payload.Length);
        await client.SettingsAsync((4, 1));
        await client.SettingsAsync((4, 8));
        Assert.Equal(6, (await client.NextAsync(f => f.Type == FrameType.Data)).Payload.Length);
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S6_5_2_OurFrames_StayWithinThePeersLimit(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server, true, (4, 10_000_000), (5, 20_000));
        await client.WindowAsync(0, 10_000_000);
        foreach (var (id, path) in new[] { (1, TestServer.Large), (3, TestServer.Lent), (5, TestServer.Last) })
        {
            await client.CallAsync(id, path, BitConverter.GetBytes(300_000));
            using var body = new MemoryStream();
            for (var frame = await client.ReadAsync(); frame is not { EndsStream: true }; frame = await client.ReadAsync())
            {
                Assert.InRange(frame!.Payload.Length, 0, 20_000);
                if (frame.Type == FrameType.Data)
                    body.Write(frame.Payload);
            }

            Assert.Equal(TestServer.Pattern(0, 300_000), body.ToArray()[5..]);
        }
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S6_5_2_SmallHeaderTable_IsObeyed(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server, true, (1, 0));
        await client.CallAsync(1, TestServer.Echo, [1]);
        var headers = await client.NextAsync(f => f.Type == FrameType.Headers);
        Assert.Equal(0x20, headers.Payload[0]);
        var decoder = new Http2.Hpack.HpackDecoder(0);
        var list = new Http2.Hpack.HeaderList(10_000);
        decoder.Decode(headers.Payload, list);
        Assert.Contains(list.Fields, field => field is { Name: ":status", Value: "200" });
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S6_5_3_Settings_AreAcknowledged(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.SettingsAsync((0x99, 1), (3, 100));
        await client.NextAsync(f => f.Type == FrameType.Settings && f.Flags == FrameFlags.Ack);
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S6_7_Ping_ComesBackWithItsBytes(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.SendAsync(FrameType.Ping, FrameFlags.None, 0, 1, 2, 3, 4, 5, 6, 7, 8);
        var pong = await client.NextAsync(f => f.Type == FrameType.Ping);
        Assert.Equal(FrameFlags.Ack, pong.Flags);
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], pong.Payload);
    }

    [Theory]
    [MemberData(nameof(Transports.Own), MemberType = typeof(Transports))]
    public async Task S6_8_Stop_SaysGoAwayAndRunningCallsEnd(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.HeadersAsync(1, TestServer.Wait, FrameFlags.EndStream);
        await TestServer.Until(() => server.ActiveCount == 1, "the call runs");
        var stopping = server.StopAsync(CancellationToken.None);
        await client.NextAsync(f => f.Type == FrameType.GoAway && f.Number(4) == 0);
        server.Release.SetResult();
        Assert.Equal("waited"u8.ToArray(), await client.MessageAsync(1));
        await client.ExpectClosedAsync();
        await stopping;
    }
}
