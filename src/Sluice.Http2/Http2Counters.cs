namespace Sluice.Http2;

/// <summary>Counts what the transport has seen, attacks included.</summary>
/// <remarks><b>Threads.</b> Any.</remarks>
public sealed class Http2Counters
{
    /// <summary>As RFC 9113 §7 spells them, in lower case.</summary>
    private static readonly string[] FailureNames =
    [
        "no_error", "protocol_error", "internal_error", "flow_control_error", "settings_timeout", "stream_closed",
        "frame_size_error", "refused_stream", "cancel", "compression_error", "connect_error", "enhance_your_calm",
        "inadequate_security", "http_1_1_required",
    ];

    private readonly long[] _failures = new long[(int)Http2ErrorCode.Http11Required + 1];
    private long _streams;
    private long _resets;
    private long _stalls;

    /// <summary>Streams since the start.</summary>
    public long OpenedStreams => Interlocked.Read(ref _streams);

    /// <summary>Streams that clients have reset.</summary>
    public long ResetStreams => Interlocked.Read(ref _resets);

    /// <summary>Streams and connections ended because the peer took nothing for too long.</summary>
    public long Stalls => Interlocked.Read(ref _stalls);

    /// <summary>Connections ended because the client broke a rule, by HTTP/2 error code.</summary>
    public long Failures(Http2ErrorCode code) => Interlocked.Read(ref _failures[(int)code]);

    /// <summary>All of it, a name for each.</summary>
    internal IReadOnlyList<(string Kind, long Count)> ToList() =>
    [
        ("stream_opened", OpenedStreams), ("stream_reset", ResetStreams), ("stalled", Stalls),
        .. Enum.GetValues<Http2ErrorCode>().Where(code => code != Http2ErrorCode.NoError)
            .Select(code => (FailureNames[(int)code], Failures(code))),
    ];

    internal void OpenedStream() => Interlocked.Increment(ref _streams);

    internal void ResetStream() => Interlocked.Increment(ref _resets);

    internal void Stalled() => Interlocked.Increment(ref _stalls);

    internal void FailedConnection(Http2ErrorCode code) => Interlocked.Increment(ref _failures[(int)code]);
}
