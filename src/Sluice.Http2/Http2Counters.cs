namespace Sluice.Http2;

/// <summary>Counts what the transport has seen, attacks included.</summary>
/// <remarks><b>Threads.</b> Any.</remarks>
public sealed class Http2Counters
{
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

    internal void OpenedStream() => Interlocked.Increment(ref _streams);

    internal void ResetStream() => Interlocked.Increment(ref _resets);

    internal void Stalled() => Interlocked.Increment(ref _stalls);

    internal void FailedConnection(Http2ErrorCode code) => Interlocked.Increment(ref _failures[(int)code]);
}
