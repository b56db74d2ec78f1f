using Sluice.Rpc.Transport;

namespace Sluice.Rpc.Kestrel;

/// <summary>Where the gRPC port listens and how much one connection may hold.</summary>
public sealed record RpcListenOptions : ConnectionOptions
{
    /// <summary>Most streams that one connection may have open. Default 4,096.</summary>
    public int MaxStreamsPerConnection { get; init; } = 4096;

    /// <summary>Bytes that one stream may have unread in the transport. Default 1 MiB.</summary>
    public int StreamWindowBytes { get; init; } = 1024 * 1024;

    /// <summary>Bytes that one connection may have unread in the transport. Default 16 MiB.</summary>
    public int ConnectionWindowBytes { get; init; } = 16 * 1024 * 1024;

    /// <summary>Silence after which the peer is pinged. Default 2 hours, at least 1 second.</summary>
    public TimeSpan KeepAliveTime { get; init; } = TimeSpan.FromHours(2);

    /// <summary>Time for the peer to answer a ping before the connection is closed. Default 20 seconds, at least 1.</summary>
    public TimeSpan KeepAliveTimeout { get; init; } = TimeSpan.FromSeconds(20);
}
