namespace Sluice.Http2.Connection;

/// <summary>Knows what a peer keeps waiting for too long: slow handshakes, half header blocks, windows that stay shut.</summary>
internal sealed class Patience(Http2Limits limits, TimeProvider time)
{
    private readonly long _openedAt = time.GetTimestamp();
    private long _blockSince;
    private long _sendSince;
    private long _heardAt = time.GetTimestamp();
    private bool _hasPinged;
    private int _pingCount;
    private int _seenWorkCount;

    /// <summary>The peer has sent some bytes.</summary>
    public void HasReceived()
    {
        _heardAt = 0;
        _hasPinged = false;
    }

    /// <summary>The peer has been silent and is to be pinged, once.</summary>
    /// <param name="workCount">Headers and data sent so far; without a change there are only so many pings.</param>
    /// <param name="hasCalls">Some stream is open.</param>
    public bool IsPingDue(int workCount, bool hasCalls)
    {
        if (workCount != _seenWorkCount)
            (_pingCount, _seenWorkCount) = (0, workCount);
        if (_heardAt == 0)
            _heardAt = time.GetTimestamp();
        if (_hasPinged || !IsOver(_heardAt, limits.KeepAliveTime) || (!hasCalls && limits.PermitsPingsWithoutCalls == false) ||
            (limits.MaxPingsWithoutData > 0 && _pingCount >= limits.MaxPingsWithoutData))
            return false;
        _hasPinged = true;
        _pingCount++;
        _heardAt = time.GetTimestamp();
        return true;
    }

    /// <summary>The peer has not answered the ping.</summary>
    public bool IsSilenceOver => _hasPinged && IsOver(_heardAt, limits.KeepAliveTimeout);

    /// <summary>The peer has taken some bytes.</summary>
    public void HasSent() => _sendSince = 0;

    /// <summary>The handshake takes too long.</summary>
    public bool IsHandshakeOver(bool isComplete) => !isComplete && IsOver(_openedAt, limits.HandshakeTimeout);

    /// <summary>A header block takes too long.</summary>
    public bool IsHeaderBlockOver(bool isUnderWay) => IsOver(ref _blockSince, isUnderWay, limits.HeaderBlockTimeout);

    /// <summary>The peer has taken nothing of what waits for the connection.</summary>
    public bool IsSendOver(bool isWaiting) => IsOver(ref _sendSince, isWaiting, limits.SendStallTimeout);

    /// <summary>The peer has taken nothing of what waits for a stream's window.</summary>
    public bool IsStreamOver(Http2Stream stream)
    {
        var isBlocked = stream.SendWindow <= 0 && stream.Pending.Published > 0;
        var since = stream.BlockedSince;
        var isOver = IsOver(ref since, isBlocked, limits.SendStallTimeout);
        stream.BlockedSince = since;
        return isOver;
    }

    private bool IsOver(ref long since, bool isWaiting, TimeSpan limit)
    {
        since = !isWaiting ? 0 : since == 0 ? time.GetTimestamp() : since;
        return isWaiting && IsOver(since, limit);
    }

    private bool IsOver(long since, TimeSpan limit) => time.GetElapsedTime(since) > limit;
}
