using Sluice.Http2.Connection;

namespace Sluice.Http2.Tests.Frames;

/// <summary>What RFC 9113 demands of a server and a client can provoke: its sections 3 and 4, the start and the form of frames; the section stands in each name.</summary>
/// <remarks>Each case runs against all transports. Where a rule leaves the choice, every allowed code is accepted.</remarks>
public sealed class StartConformanceTests
{
    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S3_4_WrongPreface_EndsTheConnection(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server, handshake: false);
        await client.WriteAsync("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"u8.ToArray());
        await client.ExpectConnectionErrorAsync(Http2ErrorCode.ProtocolError);
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
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
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
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
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S4_1_UnknownFrameType_IsIgnored(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.SendAsync((FrameType)0x42, (FrameFlags)0xff, 0, new byte[1000]);
        await client.ExpectAliveAsync(1);
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task S4_1_UnknownFlags_AreIgnored(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport);
        await using var client = await FrameClient.ConnectAsync(server);
        await client.SendAsync(FrameType.Ping, (FrameFlags)0xfe, 0, new byte[8]);
        await client.NextAsync(f => f.Type == FrameType.Ping && f.Flags == FrameFlags.Ack);
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
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
}
