using System.Net;

namespace Sluice.Rpc.Transport;

/// <summary>What all front ends have in common about their connections; free of any transport's types.</summary>
public record ConnectionOptions
{
    /// <summary>Address and port (port 0 picks a free one), or a Unix-domain socket.</summary>
    public required EndPoint EndPoint { get; init; }

    /// <summary>Encryption; null = none.</summary>
    public TlsOptions? Tls { get; init; }

    /// <summary>Let other processes listen on the same port; the system shares connections out (<c>SO_REUSEPORT</c>).</summary>
    public bool ReusesPort { get; init; }

    /// <summary>Age after which a connection is closed in order; null = never (default). Spread by a tenth either way.</summary>
    public TimeSpan? MaxAge { get; init; }

    /// <summary>Time after <see cref="MaxAge"/> until calls still running are cut off; null = never (default).</summary>
    public TimeSpan? MaxAgeGrace { get; init; }
}
