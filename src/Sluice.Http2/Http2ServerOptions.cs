using System.Net;

namespace Sluice.Http2;

/// <summary>Where the transport listens and with how many loops.</summary>
public sealed record Http2ServerOptions
{
    /// <summary>IP address and port, 0 picking a free one, or a Unix-domain socket.</summary>
    public required EndPoint EndPoint { get; init; }

    /// <summary>Loops, each a thread. Default one for each core.</summary>
    public int LoopCount { get; init; } = Environment.ProcessorCount;

    /// <summary>Connections that may wait to be accepted. Default 4,096.</summary>
    public int Backlog { get; init; } = 4096;

    /// <summary>Other processes may listen on the same port; the kernel spreads connections. Default false.</summary>
    public bool ReusePort { get; init; }

    /// <summary>Receive and send memory of all connections, bytes. Default 1 GiB.</summary>
    public long MemoryBytes { get; init; } = 1L << 30;

    /// <summary>Bounds of each connection.</summary>
    public Http2Limits Limits { get; init; } = new();
}
