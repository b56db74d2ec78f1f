namespace Sluice.Http2.Connection;

/// <summary>Counts pings of a peer that come too soon after each other (gRPC's keepalive guide).</summary>
/// <remarks>A ping may come after <see cref="Http2Limits.MinPingInterval"/>, without calls after two hours at the soonest unless that is
/// permitted; each answer that we send forgives all before it.</remarks>
internal sealed class PingStrikes(Http2Limits limits, TimeProvider time)
{
    private static readonly TimeSpan IntervalWithoutCalls = TimeSpan.FromHours(2);

    private long _lastAt;
    private bool _hasLast;
    private int _count;
    private int _seenWorkCount;

    /// <summary>Takes one ping.</summary>
    /// <param name="workCount">Headers and data sent so far; a change forgives.</param>
    /// <param name="hasCalls">Some stream is open.</param>
    /// <returns>False when the peer is to be sent away.</returns>
    public bool TryTake(int workCount, bool hasCalls)
    {
        if (limits.MaxPingStrikes == 0)
            return true;
        if (workCount != _seenWorkCount)
            (_hasLast, _count, _seenWorkCount) = (false, 0, workCount);
        var interval = hasCalls || limits.PermitsPingsWithoutCalls == true ? limits.MinPingInterval : IntervalWithoutCalls;
        var isTooSoon = _hasLast && time.GetElapsedTime(_lastAt) < interval;
        _lastAt = time.GetTimestamp();
        _hasLast = true;
        return !isTooSoon || ++_count <= limits.MaxPingStrikes;
    }
}
