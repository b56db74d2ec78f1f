namespace Sluice.Http2.Connection;

/// <summary>What the peer may still send, on the connection and on each stream (RFC 9113 §5.2).</summary>
/// <remarks>Bytes count as free again when a handler has read them, so unread bodies are bounded. <b>Threads.</b> The turn.</remarks>
internal sealed class ReceiveWindows(Http2Limits limits, FrameSender sender)
{
    private int _window = 65535;
    private int _consumed;

    /// <summary>Opens the connection's window to what the limits say.</summary>
    public void Announce()
    {
        if (limits.ConnectionWindowBytes > _window)
            sender.Control(FrameType.WindowUpdate, 0, limits.ConnectionWindowBytes - _window);
        _window = Math.Max(_window, limits.ConnectionWindowBytes);
    }

    /// <summary>Counts a DATA frame.</summary>
    public void Spend(int length)
    {
        if (length > _window)
            throw new Http2ConnectionException(Http2ErrorCode.FlowControlError, "the client overruns the connection's window");
        _window -= length;
    }

    /// <summary>Counts bytes that nobody will read.</summary>
    public void Dropped(int length) => _consumed += length;

    /// <summary>Tells the peer what it may send again on a stream.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="isOpen">The peer may still send on it.</param>
    public void Credit(Http2Stream stream, bool isOpen)
    {
        var consumed = stream.TakeConsumed();
        _consumed += consumed;
        stream.Uncredited += consumed;
        var wanted = stream.TakeWantedWindow();

        // Padding has eaten of what a fill was allowed, and eats of what it still wants.
        if (wanted == 0 && stream.HasPadding && stream.FillTarget.Length is var left and > 0)
            wanted = left + (limits.StreamWindowBytes / 2);
        if (!isOpen)
            return;

        // Whoever waits for a large message has memory for all of it, so the peer need not stop on the way. What it is
        // allowed ahead of what was read makes Uncredited negative. All that a fill still wants is allowed already.
        var increment = 0;
        if (wanted > stream.ReceiveWindow)
            increment = wanted - stream.ReceiveWindow;
        else if (stream.Uncredited >= limits.StreamWindowBytes / 2 && stream.FillTarget.Length == 0)
            increment = stream.Uncredited;
        if (increment == 0)
            return;
        stream.Uncredited -= increment;
        stream.ReceiveWindow += increment;
        sender.Control(FrameType.WindowUpdate, stream.Id, increment);
    }

    /// <summary>Tells the peer what it may send again on the connection.</summary>
    /// <param name="streams">All open streams: many that have read a little each add up.</param>
    public void CreditConnection(Dictionary<int, Http2Stream>.ValueCollection streams)
    {
        var half = limits.ConnectionWindowBytes / 2;
        if (_window + _consumed < half)
        {
            foreach (var stream in streams)
                Credit(stream, isOpen: !stream.IsRemoteClosed);
        }

        if (_consumed == 0 || (_consumed < half && _window >= half))
            return;
        _window += _consumed;
        sender.Control(FrameType.WindowUpdate, 0, _consumed);
        _consumed = 0;
    }
}
