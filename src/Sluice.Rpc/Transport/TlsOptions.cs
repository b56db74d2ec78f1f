namespace Sluice.Rpc.Transport;

/// <summary>How a port encrypts; files in PEM form.</summary>
public sealed record TlsOptions
{
    /// <summary>The server's certificate, with intermediate ones after it.</summary>
    public required string CertificatePath { get; init; }

    /// <summary>Its private key, without a password.</summary>
    public required string KeyPath { get; init; }

    /// <summary>Certificates that sign clients' ones; empty = the system's.</summary>
    public string RootPath { get; init; } = "";

    /// <summary>Clients must show a certificate.</summary>
    public bool RequiresClientCertificate { get; init; }
}
