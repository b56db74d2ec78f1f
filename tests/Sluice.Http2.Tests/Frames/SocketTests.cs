using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Sluice.Rpc.Transport;

namespace Sluice.Http2.Tests.Frames;

/// <summary>.NET's HTTP/2 client against managed sockets, plain and with TLS: answers larger than any buffer, and calls that end early.</summary>
public sealed class SocketTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("sluice-sockets-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ManyCalls_SomeGivenUpHalfway_AnswerRightAndLeaveNothing(bool isEncrypted)
    {
        var tls = isEncrypted ? CreateCertificate() : null;
        await using var server = await TestServer.StartAsync(Transport.Sockets, tls: tls);
        using var handler = Handler(tls);
        using var client = Client(handler, server, isEncrypted);
        var random = new Random(7);
        var calls = Enumerable.Range(0, 200).Select(i => (
            Method: i % 3 == 0 ? TestServer.Large : i % 3 == 1 ? TestServer.Lent : TestServer.Last, Length: random.Next(1, 3 << random.Next(0, 20)), IsGivenUp: i % 7 == 0)).ToList();
        await Parallel.ForEachAsync(calls, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (call, _) =>
        {
            using var response = await SendAsync(client, call.Method, BitConverter.GetBytes(call.Length));
            if (call.IsGivenUp)
                return; // its end resets the stream
            var body = await response.Content.ReadAsByteArrayAsync(CancellationToken.None);
            Assert.Equal(call.Length, body.Length - 5);
            Assert.True(TestServer.Pattern(0, call.Length).AsSpan().SequenceEqual(body.AsSpan(5)));
        });
        var large = TestServer.Pattern(0, 3_000_000);
        using var echoed = await SendAsync(client, TestServer.Echo, large);
        Assert.Equal(large, (await echoed.Content.ReadAsByteArrayAsync(CancellationToken.None))[5..]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ConnectionsThatAreCutOff_LeaveNothing(bool isEncrypted)
    {
        var tls = isEncrypted ? CreateCertificate() : null;
        await using var server = await TestServer.StartAsync(Transport.Sockets, tls: tls);
        for (var i = 0; i < 10; i++)
        {
            using var handler = Handler(tls);
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            handler.ConnectCallback = async (context, token) =>
            {
                await socket.ConnectAsync(context.DnsEndPoint, token);
                return new NetworkStream(socket);
            };
            using var client = Client(handler, server, isEncrypted);
            var waiting = SendAsync(client, TestServer.Wait, []);
            using var half = await SendAsync(client, i % 3 == 0 ? TestServer.Large : i % 3 == 1 ? TestServer.Lent : TestServer.Last, BitConverter.GetBytes(8_000_000));
            await TestServer.Until(() => server.ActiveCount >= 2, "both calls run");
            socket.Close(timeout: 0);
            await ((Task)waiting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            await TestServer.Until(() => server.ActiveCount == 0, "the calls end with their connection");
        }

        Assert.Equal(10, server.CancelledCount);
    }

    /// <summary>A handshake that never comes holds up nobody, and ends.</summary>
    [Fact]
    public async Task SilentClient_OfTls_IsSentAwayInTime()
    {
        var limits = new Http2Limits { HandshakeTimeout = TimeSpan.FromMilliseconds(100) };
        await using var server = await TestServer.StartAsync(Transport.Sockets, limits, tls: CreateCertificate());
        await using var silent = await FrameClient.ConnectAsync(server, handshake: false);
        await silent.ExpectClosedAsync();
        await TestServer.Until(() => server.Native!.Connections.Open == 0, "the connection is forgotten");
    }

    /// <summary>Peers that open connections and say nothing make room for those that do.</summary>
    [Fact]
    public async Task SilentClients_OfTls_LockNobodyOut()
    {
        var tls = CreateCertificate();
        await using var server = await TestServer.StartAsync(Transport.Sockets, new Http2Limits { MaxHandshakes = 3 }, tls: tls);
        var silent = new List<FrameClient>();
        for (var i = 0; i < 6; i++)
            silent.Add(await FrameClient.ConnectAsync(server, handshake: false));
        await TestServer.Until(() => server.Native!.Connections.Open == 3, "the oldest are sent away");
        foreach (var old in silent[..3])
            await old.ExpectClosedAsync();
        using var handler = Handler(tls);
        using var client = Client(handler, server, isEncrypted: true);
        using var answer = await SendAsync(client, TestServer.Echo, [1, 2, 3]);
        Assert.Equal([1, 2, 3], (await answer.Content.ReadAsByteArrayAsync(CancellationToken.None))[5..]);
        foreach (var one in silent)
            await one.DisposeAsync();
    }

    private static SocketsHttpHandler Handler(TlsOptions? tls)
    {
        var handler = new SocketsHttpHandler();
        if (tls is null)
            return handler;
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.ImportFromPemFile(tls.CertificatePath);
        handler.SslOptions.CertificateChainPolicy = policy;
        return handler;
    }

    private static HttpClient Client(SocketsHttpHandler handler, TestServer server, bool isEncrypted) => new(handler, disposeHandler: false)
    {
        BaseAddress = new Uri($"{(isEncrypted ? "https" : "http")}://localhost:{server.Port}"),
    };

    private static async Task<HttpResponseMessage> SendAsync(HttpClient client, string method, byte[] message)
    {
        using var content = new ByteArrayContent(FrameClient.Message(message));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        using var request = new HttpRequestMessage(HttpMethod.Post, method)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
            Headers = { TE = { new TransferCodingWithQualityHeaderValue("trailers") } },
        };
        return await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    private TlsOptions CreateCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        var options = new TlsOptions { CertificatePath = Path.Combine(_folder, "server.pem"), KeyPath = Path.Combine(_folder, "server.key") };
        File.WriteAllText(options.CertificatePath, certificate.ExportCertificatePem());
        File.WriteAllText(options.KeyPath, key.ExportPkcs8PrivateKeyPem());
        return options;
    }
}
