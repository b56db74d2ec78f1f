using System.Net;
using System.Net.Sockets;
using Sluice.Functional.Tests.Infrastructure;

namespace Sluice.Functional.Tests;

/// <summary>A connection without calls, at the level of HTTP/2 frames.</summary>
[Collection(ServerGroup.Name)]
public sealed class GrpcIdleConnectionTests(ServerFixture server)
{
    private const int FrameHead = 9;
    private const byte Settings = 4;
    private const byte GoAway = 7;

    // Kestrel looks at its connections once a second.
    private static readonly TimeSpan SeveralLooks = TimeSpan.FromSeconds(2.5);

    [Fact]
    public async Task Connection_WithoutCalls_IsKeptOpen()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, server.GrpcAddress.Port));
        await socket.SendAsync((byte[])[.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, 0, 0, 0, Settings, 0, 0, 0, 0, 0]);
        await using var stream = new NetworkStream(socket);
        var types = new List<byte>();
        using var limit = new CancellationTokenSource(ServerFixture.Patience);
        try
        {
            var head = new byte[FrameHead];
            while (true)
            {
                await stream.ReadExactlyAsync(head, limit.Token);
                if (types.Count == 0)
                    limit.CancelAfter(SeveralLooks);
                types.Add(head[3]);
                await stream.ReadExactlyAsync(new byte[(head[0] << 16) | (head[1] << 8) | head[2]], limit.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // Nothing more came, and the connection is still there.
        }

        Assert.Equal(Settings, types[0]);
        Assert.DoesNotContain(GoAway, types);
    }
}
