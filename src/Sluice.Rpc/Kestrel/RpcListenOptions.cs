using System.Net;

namespace Sluice.Rpc.Kestrel;

/// <summary>Where the gRPC port listens and how much one connection may hold.</summary>
public sealed record RpcListenOptions
{
    /// <summary>Address and port; port 0 picks a free one.</summary>
    public required IPEndPoint EndPoint { get; init; }

    /// <summary>Most streams that one connection may have open. Default 4,096.</summary>
    public int MaxStreamsPerConnection { get; init; } = 4096;

    /// <summary>Bytes that one stream may have unread in the transport. Default 1 MiB.</summary>
    public int StreamWindowBytes { get; init; } = 1024 * 1024;

    /// <summary>Bytes that one connection may have unread in the transport. Default 16 MiB.</summary>
    public int ConnectionWindowBytes { get; init; } = 16 * 1024 * 1024;
}
