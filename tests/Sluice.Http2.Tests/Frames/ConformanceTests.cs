using Sluice.Http2.Connection;

namespace Sluice.Http2.Tests.Frames;

/// <summary>What RFC 9113 demands of a server and a client can provoke; the section stands in each name.</summary>
/// <remarks>Each case runs against all transports. Where a rule leaves the choice, every allowed code is accepted.</remarks>
public sealed class ConformanceTests
{
    /// <summary>Ours on event loops, ours on managed sockets, and Kestrel.</summary>
    public static TheoryData<Transport> All => [.. Enum.GetValues<Transport>()];

    /// <summary>Ours only.</summary>
    public static TheoryData<Transport> Own => [Transport.Native, Transport.Sockets];

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

    [Theory]
    [MemberData(nameof(All))]
    public async Task S3_4_WrongPreface_EndsTheConnection(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server, handshake: false);
        await client.WriteAsync("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"u8.ToArray());
        await client.ExpectConnectionErrorAsync(Http2ErrorCode.ProtocolError);
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task S3_4_FirstFrameOfTheServer_IsSettings(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server, handshake: false);
        await client.WriteAsync(FrameClient.Preface);
        await client.SettingsAsync();
        var first = await client.ReadAsync();
        Assert.Equal(FrameType.Settings, first!.Type);
        Assert.Equal(FrameFlags.None, first.Flags);
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task S3_4_PrefaceAndCallInSingleBytes_AreServed(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server, handshake: false);
        byte[] all =
        [
            .. FrameClient.Preface, .. FrameClient.Encode(FrameType.Settings, FrameFlags.None, 0, []),
            .. FrameClient.Encode(FrameType.Headers, FrameFlags.EndHeaders, 1, FrameClient.Request(TestServer.Echo)),
            .. FrameClient.Encode(FrameType.Data, FrameFlags.EndStream, 1, FrameClient.Message([1, 2, 3])),
        ];
        foreach (var one in all)
            await client.WriteAsync([one]);
        Assert.Equal([1, 2, 3], await client.MessageAsync(1));
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task S4_1_UnknownFrameType_IsIgnored(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.SendAsync((FrameType)0x42, (FrameFlags)0xff, 0, new byte[1000]);
        await client.ExpectAliveAsync(1);
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task S4_1_UnknownFlags_AreIgnored(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.SendAsync(FrameType.Ping, (FrameFlags)0xfe, 0, new byte[8]);
        await client.NextAsync(f => f.Type == FrameType.Ping && f.Flags == FrameFlags.Ack);
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task S4_3_HeaderBlockOverContinuations_IsOne(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        var block = FrameClient.Request(TestServer.Echo);
        await client.SendAsync(FrameType.Headers, FrameFlags.None, 1, block[..10]);
        await client.SendAsync(FrameType.Continuation, FrameFlags.None, 1, block[10..11]);
        await client.SendAsync(FrameType.Continuation, FrameFlags.EndHeaders, 1, block[11..]);
        await client.SendAsync(FrameType.Data, FrameFlags.EndStream, 1, FrameClient.Message([7]));
        Assert.Equal([7], await client.MessageAsync(1));
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task S5_1_DataOnAHalfClosedStream_IsAnError(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.HeadersAsync(1, TestServer.Wait, FrameFlags.EndStream);
        await client.SendAsync(FrameType.Data, FrameFlags.None, 1, 1, 2, 3);
        await client.ExpectStreamErrorAsync(1, Http2ErrorCode.StreamClosed);
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task S5_1_HeadersOnAHalfClosedStream_AreAnError(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.HeadersAsync(1, TestServer.Wait, FrameFlags.EndStream);
        await client.HeadersAsync(1, TestServer.Wait, FrameFlags.EndStream);
        await client.ExpectStreamErrorAsync(1, Http2ErrorCode.StreamClosed);
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task S5_1_HeadersOnAClosedStream_AreAnError(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.ExpectAliveAsync(1);
        await client.HeadersAsync(1, TestServer.Echo, FrameFlags.EndStream);
        await client.ExpectStreamErrorAsync(1, Http2ErrorCode.StreamClosed);
    }

    [Theory]
    [MemberData(nameof(All))]
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
    [MemberData(nameof(All))]
    public async Task S5_1_1_SmallerStreamNumber_IsAnError(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.ExpectAliveAsync(5);
        await client.HeadersAsync(3, TestServer.Echo, FrameFlags.EndStream);
        await client.ExpectConnectionErrorAsync(Http2ErrorCode.ProtocolError, Http2ErrorCode.StreamClosed);
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task S5_1_2_TooManyStreams_AreRefused(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport, new Http2Limits { MaxStreams = 2 });
        await using var client = await FrameClient.ConnectAsync(server);
        for (var id = 1; id <= 5; id += 2)
            await client.HeadersAsync(id, TestServer.Wait, FrameFlags.EndStream);
        await client.ExpectStreamErrorAsync(5, Http2ErrorCode.RefusedStream, Http2ErrorCode.ProtocolError);
    }

    [Theory]
    [MemberData(nameof(All))]
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
    [MemberData(nameof(All))]
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
    [MemberData(nameof(All))]
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
    [MemberData(nameof(All))]
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
    [MemberData(nameof(All))]
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
    [MemberData(nameof(All))]
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

    [Theory]
    [MemberData(nameof(All))]
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
    [MemberData(nameof(All))]
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
    [MemberData(nameof(All))]
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
    [MemberData(nameof(All))]
    public async Task S6_5_2_OurFrames_StayWithinThePeersLimit(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server, true, (4, 10_000_000), (5, 20_000));
        await client.WindowAsync(0, 10_000_000);
        foreach (var (id, path) in new[] { (1, TestServer.Large), (3, TestServer.Lent) })
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
    [MemberData(nameof(All))]
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
    [MemberData(nameof(All))]
    public async Task S6_5_3_Settings_AreAcknowledged(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.SettingsAsync((0x99, 1), (3, 100));
        await client.NextAsync(f => f.Type == FrameType.Settings && f.Flags == FrameFlags.Ack);
    }

    [Theory]
    [MemberData(nameof(All))]
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
    [MemberData(nameof(All))]
    public async Task S6_9_WindowOverflowOfAStream_IsAnError(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.HeadersAsync(1, TestServer.Wait);
        await client.WindowAsync(1, int.MaxValue);
        await client.ExpectStreamErrorAsync(1, Http2ErrorCode.FlowControlError);
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task S6_9_WindowUpdateOfZeroOnAStream_IsAnError(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.HeadersAsync(1, TestServer.Wait);
        await client.WindowAsync(1, 0);
        await client.ExpectStreamErrorAsync(1, Http2ErrorCode.ProtocolError);
    }

    [Theory]
    [MemberData(nameof(Own))]
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

    [Theory]
    [MemberData(nameof(All))]
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
    [MemberData(nameof(All))]
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
    [MemberData(nameof(All))]
    public async Task S8_1_1_ContentLengthThatDisagrees_IsAnError(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.SendAsync(
            FrameType.Headers, FrameFlags.EndHeaders, 1, FrameClient.Request(TestServer.Echo, ("content-length", "4")));
        await client.SendAsync(FrameType.Data, FrameFlags.EndStream, 1, FrameClient.Message([1, 2, 3]));
        await client.ExpectStreamErrorAsync(1, Http2ErrorCode.ProtocolError);
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
