using Sluice.Rpc.Transport;

namespace Sluice.Http2;

/// <summary>Where the transport listens and on what.</summary>
public sealed record Http2ServerOptions : ConnectionOptions
{
    /// <summary>Managed sockets and the thread pool instead of event loops; always so with TLS, and where there is no epoll.</summary>
    public bool UsesSockets { get; init; } = !OperatingSystem.IsLinux();

    /// <summary>Event loops, each a thread. Default one for each core.</summary>
    public int LoopCount { get; init; } = Environment.ProcessorCount;

    /// <summary>Connections that may wait to be accepted. Default 4,096.</summary>
    public int Backlog { get; init; } = 4096;

    /// <summary>Receive and send memory of all connections, bytes. Default 1 GiB.</summary>
    public long MemoryBytes { get; init; } = 1L << 30;

    /// <summary>Bounds of each connection.</summary>
    public Http2Limits Limits { get; init; } = new();
}
