namespace Sluice.Server;

/// <summary>What moves gRPC's bytes.</summary>
public enum GrpcTransport
{
    /// <summary>The native one.</summary>
    Auto,

    /// <summary>Our HTTP/2 engine: on event loops, or on managed sockets for TLS and on systems other than Linux.</summary>
    Native,

    /// <summary>Our HTTP/2 engine on managed sockets.</summary>
    Sockets,

    /// <summary>ASP.NET's server.</summary>
    Kestrel,
}
