namespace Sluice.Http2;

/// <summary>How much one peer may have, hold and do; all are checked before memory is taken.</summary>
public sealed record Http2Limits
{
    /// <summary>Most streams that a connection may have open, those reset while still being served included. Default 4,096.</summary>
    public int MaxStreams { get; init; } = 4096;

    /// <summary>Bytes that a stream may have unread here. Default 1 MiB and room for what stands around a tensor of that size.</summary>
    public int StreamWindowBytes { get; init; } = (1024 + 64) * 1024;

    /// <summary>Bytes that a connection may have unread here. Default 16 MiB.</summary>
    public int ConnectionWindowBytes { get; init; } = 16 * 1024 * 1024;

    /// <summary>Largest frame that we take, 16,384 to 16,777,215 bytes. Default 1 MiB.</summary>
    public int MaxFrameBytes { get; init; } = 1024 * 1024;

    /// <summary>Largest header list, bytes with 32 for each field; the compressed block has the same bound. Default 32 KiB.</summary>
    public int MaxHeaderListBytes { get; init; } = 32 * 1024;

    /// <summary>Most CONTINUATION frames of one header block. Default 8.</summary>
    public int MaxContinuations { get; init; } = 8;

    /// <summary>Frames that carry no work (PING, SETTINGS, PRIORITY, RST_STREAM, empty DATA, unknown ones) a second, on
    /// average; ten times as many at once. Default 20,000.</summary>
    public int IdleFramesPerSecond { get; init; } = 20_000;

    /// <summary>Bytes of answers to control frames that may wait for a peer that does not read. Default 64 KiB.</summary>
    public int MaxControlBytes { get; init; } = 64 * 1024;

    /// <summary>Bytes of a stream's output that may wait for the peer before its writer has to. Default 256 KiB.</summary>
    public int OutputHighWaterBytes { get; init; } = 256 * 1024;

    /// <summary>Most TLS handshakes at a time; the oldest makes room for a new one. Default 1,024.</summary>
    public int MaxHandshakes { get; init; } = 1024;

    /// <summary>How long the preface and the first SETTINGS may take. Default 30 s.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a header block may take from its first to its last byte. Default 30 s.</summary>
    public TimeSpan HeaderBlockTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a peer may leave us unable to send anything that waits. Default 5 minutes.</summary>
    public TimeSpan SendStallTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Silence after which the peer is pinged. Default 2 hours.</summary>
    public TimeSpan KeepAliveTime { get; init; } = TimeSpan.FromHours(2);

    /// <summary>Time for the peer to answer a ping before the connection is closed. Default 20 s.</summary>
    public TimeSpan KeepAliveTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Most pings of ours to a peer to which nothing else is sent; 0 = any number, the default.</summary>
    public int MaxPingsWithoutData { get; init; }

    /// <summary>Peers may be pinged, and ping at <see cref="MinPingInterval"/>, while no call is under way. Null: we ping, and they may every
    /// two hours.</summary>
    public bool? PermitsPingsWithoutCalls { get; init; }

    /// <summary>Shortest time between two pings of a peer to which nothing was sent meanwhile. Default 5 minutes.</summary>
    public TimeSpan MinPingInterval { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Pings that may come sooner before the peer is sent away with "too_many_pings"; 0 = any number, the default.</summary>
    public int MaxPingStrikes { get; init; }
}
