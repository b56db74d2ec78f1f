using System.Security.Cryptography.X509Certificates;

namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>Makes certificates with openssl: an authority, and what it signs.</summary>
internal sealed class TestCertificates(string folder)
{
    public string Root => PathOf("ca.crt");

    public static async Task<TestCertificates> CreateAsync(string folder)
    {
        var made = new TestCertificates(folder);
        await made.CreateAuthorityAsync("ca");
        await made.SignAsync("ca", "server", "serverAuth");
        await made.SignAsync("ca", "client", "clientAuth");
        return made;
    }

    public string Certificate(string name) => PathOf(name + ".crt");

    public string Key(string name) => PathOf(name + ".key");

    public Task CreateAuthorityAsync(string name) => ForeignProgram.RunAsync(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", $"/CN={name}", "-keyout", Key(name), "-out",
        Certificate(name));

    /// <summary>Makes a key and a certificate for <c>localhost</c>; earlier ones of the name are replaced.</summary>
    public async Task SignAsync(string authority, string name, string use)
    {
        var (request, extensions) = (PathOf(name + ".csr"), PathOf(name + ".ext"));
        await File.WriteAllTextAsync(extensions, $"subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage={use}\n");
        await ForeignProgram.RunAsync(
            "openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", $"/CN={name}", "-keyout", Key(name) + ".new", "-out", request);
        await ForeignProgram.RunAsync(
            "openssl", "x509", "-req", "-in", request, "-CA", Certificate(authority), "-CAkey", Key(authority), "-CAcreateserial", "-days", "2",
            "-extfile", extensions, "-out", Certificate(name) + ".new");
        File.Move(Key(name) + ".new", Key(name), overwrite: true);
        File.Move(Certificate(name) + ".new", Certificate(name), overwrite: true);
    }

    /// <summary>A handler that trusts the authority, and shows a certificate when one is named.</summary>
    public SocketsHttpHandler CreateHandler(string? client = null, Action<X509Certificate2>? onServer = null)
    {
        var handler = new SocketsHttpHandler { UseProxy = false };
        handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, _, _) =>
        {
            using var root = X509CertificateLoader.LoadCertificateFromFile(Root);
            using var chain = new X509Chain { ChainPolicy = { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck } };
            chain.ChainPolicy.CustomTrustStore.Add(root);
            var server = (X509Certificate2)certificate!;
            onServer?.Invoke(server);
            return chain.Build(server);
        };
        if (client is not null)
            handler.SslOptions.ClientCertificates = [X509Certificate2.CreateFromPemFile(Certificate(client), Key(client))];
        return handler;
    }

    private string PathOf(string name) => Path.Combine(folder, name);
}
