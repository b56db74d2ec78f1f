using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Server;

namespace Sluice.Functional.Tests.Operations;

/// <summary>Encryption of both ports, with certificates made by openssl.</summary>
public sealed class TlsTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("sluice-tls-").FullName;
    private TestCertificates _certificates = null!;

    public async Task InitializeAsync() => _certificates = await TestCertificates.CreateAsync(_folder);

    public Task DisposeAsync()
    {
        Directory.Delete(_folder, recursive: true);
        return Task.CompletedTask;
    }

    [Fact]
    public async Task Grpc_OverTls_AnswersGrpcio()
    {
        await using var server = await StartAsync(Port());

        Assert.Equal("https", server.Host.GrpcAddress!.Scheme);
        await PythonOperations.RunAsync("tls", server.Host.GrpcAddress, _certificates.Root);
        await PythonOperations.RunAsync("tls-refused", server.Host.GrpcAddress);
    }

    [Fact]
    public async Task Grpc_OverTls_NegotiatesHttp2()
    {
        await using var server = await StartAsync(Port());
        var url = $"https://localhost:{server.Host.GrpcAddress!.Port}/";

        Assert.Equal("405 2", await ForeignProgram.RunAsync(
            "curl", "-s", "--http2", "--noproxy", "*", "--cacert", _certificates.Root, "-o", "/dev/null", "-w", "%{http_code} %{http_version}", url));
    }

    [Fact]
    public async Task Grpc_OverMutualTls_TakesOnlyClientsOfItsAuthority()
    {
        await _certificates.CreateAuthorityAsync("other");
        await _certificates.SignAsync("other", "stranger", "clientAuth");
        await using var server = await StartAsync(Port() with { UsesTls = false, UsesMutualTls = true, RootPath = _certificates.Root });
        var address = server.Host.GrpcAddress!;

        await PythonOperations.RunAsync("tls", address, _certificates.Root, _certificates.Certificate("client"), _certificates.Key("client"));
        await PythonOperations.RunAsync("tls-refused", address, _certificates.Root);
        await PythonOperations.RunAsync("tls-refused", address, _certificates.Root, _certificates.Certificate("stranger"), _certificates.Key("stranger"));
    }

    [Fact]
    public async Task Http_OverTls_AnswersCurlWithHttp1()
    {
        await using var server = await OperatedServer.StartAsync((options, _) => options with { HttpPort = Port() });
        var url = $"https://localhost:{server.Host.HttpAddress!.Port}/v2/health/ready";

        Assert.Equal("200 1.1", await ForeignProgram.RunAsync(
            "curl", "-s", "--noproxy", "*", "--cacert", _certificates.Root, "-o", "/dev/null", "-w", "%{http_code} %{http_version}", url));
    }

    [Fact]
    public async Task ControlPlane_OverTls_AnswersCurl()
    {
        await using var server = await OperatedServer.StartAsync((options, folder) =>
        {
            var errors = new List<string>();
            var read = OptionSources.Read(
                [
                    ("serve-address", "127.0.0.1"), ("serve-port", "0"), ("data-folder", Path.Combine(folder, "data")),
                    ("serve-use-ssl", "true"), ("serve-server-cert", _certificates.Certificate("server")),
                    ("serve-server-key", _certificates.Key("server")),
                ],
                _ => null, null, errors);
            Assert.Empty(errors);
            return options with { ControlPlane = read.ControlPlane };
        });
        var url = $"https://localhost:{server.Host.ServeAddress!.Port}/openapi.json";

        Assert.Equal("200 1.1", await ForeignProgram.RunAsync(
            "curl", "-s", "--noproxy", "*", "--cacert", _certificates.Root, "-o", "/dev/null", "-w", "%{http_code} %{http_version}", url));
    }

    [Fact]
    public async Task Http_OverMutualTls_TakesOnlyClientsOfItsAuthority()
    {
        await using var server = await OperatedServer.StartAsync((options, _) => options with
        {
            HttpPort = Port() with { UsesMutualTls = true, RootPath = _certificates.Root },
        });
        using var known = new HttpClient(_certificates.CreateHandler("client"));
        using var unknown = new HttpClient(_certificates.CreateHandler());
        var url = new Uri($"https://localhost:{server.Host.HttpAddress!.Port}/v2/health/live");

        using var response = await known.GetAsync(url);
        Assert.Equal(200, (int)response.StatusCode);
        await Assert.ThrowsAsync<HttpRequestException>(() => unknown.GetAsync(url));
    }

    [Fact]
    public async Task Certificate_ThatChanges_IsReadAnew()
    {
        await using var server = await StartAsync(Port());
        Assert.Equal("CN=server", await SubjectAsync(server));
        await File.WriteAllTextAsync(_certificates.Key("server"), "this is no key");
        await Eventually.TrueAsync(() =>
        {
            Assert.Equal("CN=server", SubjectAsync(server).GetAwaiter().GetResult());
            return server.Log.Contains("New certificates cannot be used, the old ones stay", StringComparison.Ordinal);
        }, () => server.Log);

        await _certificates.SignAsync("ca", "fresh", "serverAuth");
        File.Copy(_certificates.Key("fresh"), _certificates.Key("server"), overwrite: true);
        File.Copy(_certificates.Certificate("fresh"), _certificates.Certificate("server"), overwrite: true);
        await Eventually.TrueAsync(() => SubjectAsync(server).GetAwaiter().GetResult() == "CN=fresh", () => server.Log);
    }

    [Fact]
    public async Task Start_WithoutItsCertificate_SaysWhichFile()
    {
        var error = await Assert.ThrowsAsync<IOException>(() => StartAsync(Port() with { CertificatePath = "/none.crt" }));
        Assert.Contains("certificate '/none.crt'", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("grpc-use-ssl", "--grpc-use-ssl: needs --grpc-server-cert and --grpc-server-key")]
    [InlineData("http-use-ssl", "--http-use-ssl: needs --http-server-cert and --http-server-key")]
    public void Flags_WithoutFiles_AreRefused(string flag, string message)
    {
        var errors = new List<string>();
        OptionSources.Read([("model-repository", "m"), (flag, "true")], _ => null, null, errors);

        Assert.Equal([message], errors);
    }

    private static Task<OperatedServer> StartAsync(PortOptions port) => OperatedServer.StartAsync((options, _) => options with { GrpcPort = port });

    private PortOptions Port() => new()
    {
        UsesTls = true,
        CertificatePath = _certificates.Certificate("server"),
        KeyPath = _certificates.Key("server"),
    };

    private async Task<string> SubjectAsync(OperatedServer server)
    {
        var subject = "";
        var trusting = _certificates.CreateHandler(onServer: certificate => subject = certificate.Subject).SslOptions;
        using var client = new SluiceClient(
            new Uri($"https://localhost:{server.Host.GrpcAddress!.Port}"),
            new SluiceClientOptions
            {
                ConfigureHandler = handler =>
                    handler.SslOptions.RemoteCertificateValidationCallback = trusting.RemoteCertificateValidationCallback,
            });
        Assert.True(await client.IsServerLiveAsync());
        return subject;
    }
}
