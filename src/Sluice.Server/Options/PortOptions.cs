using Sluice.Rpc.Transport;

namespace Sluice.Server;

/// <summary>Encryption and life of one port's connections, as settings give them.</summary>
public sealed record PortOptions
{
    /// <summary>Encrypt.</summary>
    public bool UsesTls { get; init; }

    /// <summary>Clients must show a certificate; implies <see cref="UsesTls"/>.</summary>
    public bool UsesMutualTls { get; init; }

    /// <summary>PEM file of the server's certificate.</summary>
    public string CertificatePath { get; init; } = "";

    /// <summary>PEM file of its key.</summary>
    public string KeyPath { get; init; } = "";

    /// <summary>PEM file of certificates that sign clients' ones.</summary>
    public string RootPath { get; init; } = "";

    /// <summary>Share the port with other processes.</summary>
    public bool ReusesPort { get; init; }

    /// <summary>Silence after which a gRPC peer is pinged.</summary>
    public TimeSpan KeepAliveTime { get; init; } = TimeSpan.FromHours(2);

    /// <summary>Time for its answer.</summary>
    public TimeSpan KeepAliveTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Most pings to a peer that is sent nothing else; 0 = any number.</summary>
    public int MaxPingsWithoutData { get; init; }

    /// <summary>Peers are pinged, and may ping at <see cref="MinPingInterval"/>, without calls; null: they are, and may every two hours.</summary>
    public bool? PermitsPingsWithoutCalls { get; init; }

    /// <summary>Time that a peer waits between pings when it is sent nothing.</summary>
    public TimeSpan MinPingInterval { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Pings that come sooner before a peer is sent away; 0 = any number.</summary>
    public int MaxPingStrikes { get; init; } = 2;

    /// <summary>Age after which a connection ends; null = never.</summary>
    public TimeSpan? MaxAge { get; init; }

    /// <summary>Time after that for calls still running; null = for ever.</summary>
    public TimeSpan? MaxAgeGrace { get; init; }

    /// <summary>What the transport needs for encryption; null when there is none.</summary>
    public TlsOptions? Tls => UsesTls || UsesMutualTls
        ? new TlsOptions
        {
            CertificatePath = CertificatePath,
            KeyPath = KeyPath,
            RootPath = RootPath,
            RequiresClientCertificate = UsesMutualTls,
        }
        : null;
}
