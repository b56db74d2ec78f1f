namespace Sluice.Server;

/// <summary>What moves gRPC's bytes.</summary>
public enum GrpcTransport
{
    /// <summary>The native one where it runs, else Kestrel.</summary>
    Auto,

    /// <summary>Our HTTP/2 engine on event loops; Linux.</summary>
    Native,

    /// <summary>ASP.NET's server.</summary>
    Kestrel,
}
