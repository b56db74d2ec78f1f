using System.Net;
using System.Net.Sockets;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Server;

namespace Sluice.Functional.Tests.Operations;

/// <summary>Where ports listen and how long connections live.</summary>
public sealed class SocketTests
{
    [Fact]
    public async Task UnixSockets_OfBothPorts_Answer()
    {
        var (grpc, http) = ("", "");
        await using var server = await OperatedServer.StartAsync((options, folder) => options with
        {
            Grpc = new UnixDomainSocketEndPoint(grpc = Path.Combine(folder, "grpc.sock")),
            Http = new UnixDomainSocketEndPoint(http = Path.Combine(folder, "http.sock")),
        });
        using var client = new SluiceClient(new Uri("http://localhost"), new SluiceClientOptions { ConfigureHandler = handler => handler.ConnectCallback = (_, token) => ConnectAsync(grpc, token) });

        await OperatedServer.InferAsync(client);
        Assert.Equal("200", await ForeignProgram.RunAsync(
            "curl", "-s", "--unix-socket", http, "-o", "/dev/null", "-w", "%{http_code}", "http://localhost/v2/health/live"));
    }

    [Fact]
    public async Task UnixSocket_LeftBehind_IsTakenOver()
    {
        var path = "";
        await using var server = await OperatedServer.StartAsync((options, folder) =>
        {
            path = Path.Combine(folder, "grpc.sock");
            Leave(path);
            Assert.True(File.Exists(path));
            return options with { Grpc = new UnixDomainSocketEndPoint(path) };
        });

        await Assert.ThrowsAsync<IOException>(() => OperatedServer.StartAsync((options, _) => options with { Grpc = new UnixDomainSocketEndPoint(path) }));
    }

    [Fact]
    public async Task Ports_Reused_AreSharedByTwoServers()
    {
        var shared = new PortOptions { ReusesPort = true };
        await using var first = await OperatedServer.StartAsync((options, _) => options with { GrpcPort = shared, HttpPort = shared });
        await using var second = await OperatedServer.StartAsync((options, _) => options with
        {
            GrpcPort = shared,
            HttpPort = shared,
            Grpc = new IPEndPoint(IPAddress.Loopback, first.Host.GrpcAddress!.Port),
            Http = new IPEndPoint(IPAddress.Loopback, first.Host.HttpAddress!.Port),
        });

        Assert.Equal(first.Host.GrpcAddress, second.Host.GrpcAddress);
        using var client = first.CreateClient();
        await OperatedServer.InferAsync(client);
        await Assert.ThrowsAsync<IOException>(() => OperatedServer.StartAsync((options, _) => options with
        {
            Grpc = new IPEndPoint(IPAddress.Loopback, first.Host.GrpcAddress!.Port),
        }));
    }

    [Fact]
    public async Task Connection_PastItsAge_IsReplacedWithoutAFailedCall()
    {
        var connected = 0;
        await using var server = await OperatedServer.StartAsync(
            (options, _) => options with { GrpcPort = new PortOptions { MaxAge = TimeSpan.FromMilliseconds(100) } });
        using var client = new SluiceClient(server.Host.GrpcAddress!, new SluiceClientOptions
        {
            ConfigureHandler = handler => handler.ConnectCallback = async (context, token) =>
            {
                Interlocked.Increment(ref connected);
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                await socket.ConnectAsync(context.DnsEndPoint, token);
                return new NetworkStream(socket, ownsSocket: true);
            },
        });

        var began = DateTime.UtcNow;
        while (Volatile.Read(ref connected) < 3)
        {
            Assert.True(DateTime.UtcNow - began < ServerFixture.Patience, $"{connected} connections");
            await OperatedServer.InferAsync(client);
        }
    }

    [Theory]
    [InlineData("unix:/run/x.sock", "/run/x.sock")]
    [InlineData("unix:///run/x.sock", "/run/x.sock")]
    [InlineData("127.0.0.1", "127.0.0.1:8001")]
    [InlineData("::1", "[::1]:8001")]
    public void Address_OfEachKind_IsRead(string text, string expected)
    {
        var errors = new List<string>();
        var options = OptionSources.Read([("model-repository", "m"), ("grpc-address", text)], _ => null, null, errors);

        Assert.Empty(errors);
        Assert.Equal(expected, options.Grpc!.ToString());
    }

    private static void Leave(string path)
    {
        // A bound file stays when the process is killed; here it is copied aside while the socket goes.
        using (var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            socket.Bind(new UnixDomainSocketEndPoint(path + ".live"));
            File.Move(path + ".live", path);
        }
    }

    private static async ValueTask<Stream> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
        return new NetworkStream(socket, ownsSocket: true);
    }
}
