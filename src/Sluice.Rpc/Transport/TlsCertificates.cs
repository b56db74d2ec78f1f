using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace Sluice.Rpc.Transport;

/// <summary>The certificates of a port, read anew when their files have changed.</summary>
/// <remarks>
/// <para>New files that cannot be read are told, and the old certificates stay.</para>
/// <para><b>Threads.</b> Any number of handshakes.</para>
/// </remarks>
public sealed class TlsCertificates
{
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    private static readonly TimeSpan LookPeriod = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly TlsOptions _options;
    private readonly SslApplicationProtocol _protocol;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private long _lookedAt;
    private string _stamp;
    private volatile SslServerAuthenticationOptions _current;

    /// <summary>Reads the files.</summary>
    /// <param name="options">Where they are.</param>
    /// <param name="protocol">The one protocol that is offered (ALPN).</param>
    /// <param name="time">The clock of looks for changes.</param>
    /// <param name="logger">For certificates that cannot be read.</param>
    /// <exception cref="IOException">A file cannot be read or holds no certificate or no key.</exception>
    public TlsCertificates(TlsOptions options, SslApplicationProtocol protocol, TimeProvider time, ILogger logger)
    {
        _options = options;
        _protocol = protocol;
        _time = time;
        _logger = logger;
        _lookedAt = time.GetTimestamp();
        _stamp = Stamp();
        _current = Read();
    }

    /// <summary>What a handshake needs now.</summary>
    public SslServerAuthenticationOptions Current
    {
        get
        {
            if (_time.GetElapsedTime(Volatile.Read(ref _lookedAt)) >= LookPeriod)
                Refresh();
            return _current;
        }
    }

    private void Refresh()
    {
        lock (_lock)
        {
            if (_time.GetElapsedTime(_lookedAt) < LookPeriod)
                return;
            _lookedAt = _time.GetTimestamp();
            var stamp = Stamp();
            if (stamp == _stamp)
                return;
            try
            {
                _current = Read();
                _stamp = stamp;
                RpcLog.CertificatesRead(_logger, _options.CertificatePath);
            }
            catch (IOException error)
            {
                RpcLog.CertificatesRefused(_logger, error.Message);
            }
        }
    }

    private string Stamp() => string.Join('|', new[] { _options.CertificatePath, _options.KeyPath, _options.RootPath }
        .Where(path => path.Length > 0).Select(path => new FileInfo(path)).Select(file => file.Exists ? $"{file.LastWriteTimeUtc.Ticks} {file.Length}" : ""));

    private SslServerAuthenticationOptions Read()
    {
        try
        {
            var leaf = X509Certificate2.CreateFromPemFile(_options.CertificatePath, _options.KeyPath);
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(_options.CertificatePath);
            return new SslServerAuthenticationOptions
            {
                ServerCertificateContext = SslStreamCertificateContext.Create(leaf, chain, offline: true),
                EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                ApplicationProtocols = [_protocol],
                ClientCertificateRequired = _options.RequiresClientCertificate,
                CertificateChainPolicy = _options.RequiresClientCertificate ? ClientPolicy() : null,
            };
        }
        catch (Exception error) when (error is CryptographicException or ArgumentException or UnauthorizedAccessException or IOException)
        {
            throw new IOException($"certificate '{_options.CertificatePath}' with key '{_options.KeyPath}': {error.Message}", error);
        }
    }

    private X509ChainPolicy ClientPolicy()
    {
        var policy = new X509ChainPolicy { RevocationMode = X509RevocationMode.NoCheck };
        policy.ApplicationPolicy.Add(new Oid(ClientAuthentication));
        if (_options.RootPath.Length > 0)
        {
            policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            policy.CustomTrustStore.ImportFromPemFile(_options.RootPath);
        }

        return policy;
    }
}
