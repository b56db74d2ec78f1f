using Sluice.Http2.Hpack;

namespace Sluice.Http2.Connection;

/// <summary>Does what the peer's frames say (RFC 9113 §5, §6 and §8).</summary>
/// <remarks>A broken rule throws <see cref="Http2ConnectionException"/> when it ends the connection, and resets the stream when
/// it ends only that. <b>Threads.</b> The connection's turn.</remarks>
internal sealed class FrameHandler(
    Http2Connection connection, FrameSender sender, StreamTable streams, ReceiveWindows windows, Http2Counters counters,
    FrameBudget budget, PingStrikes pings)
{
    private readonly HpackDecoder _decoder = new(4096);
    private readonly HeaderBlockCache _blocks = new();
    private readonly List<Http2Stream> _unstarted = [];

    /// <summary>Counts a frame that carries no work.</summary>
    public void SpendIdleFrame()
    {
        if (!budget.TrySpend())
            throw new Http2ConnectionException(Http2ErrorCode.EnhanceYourCalm, "the client sends too many frames without work");
    }

    /// <summary>A header block is complete.</summary>
    public void OnHeaders(int id, ReadOnlySpan<byte> block, bool endsStream)
    {
        var headers = Decode(block);
        if (streams.TryGet(id, out var open))
            OnTrailers(open, headers, endsStream);
        else if ((id & 1) == 0)
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"a client may not open stream {id}");
        else if (id > streams.LastId)
            OnRequest(id, headers, endsStream);
        else if (!streams.WasReset(id))
            throw new Http2ConnectionException(Http2ErrorCode.StreamClosed, $"stream {id} has ended");
    }

    /// <summary>A DATA frame begins.</summary>
    /// <param name="id">Its stream.</param>
    /// <param name="length">Bytes that count against the windows.</param>
    /// <param name="dataLength">Those of them that are no padding.</param>
    /// <returns>Who takes the data; null when nobody does.</returns>
    public Http2Stream? OnData(int id, int length, int dataLength)
    {
        windows.Spend(length);
        windows.Dropped(length - dataLength);
        if (!streams.TryGet(id, out var stream))
        {
            RequireUsed(id);
            if (!streams.WasReset(id))
                connection.SendReset(id, Http2ErrorCode.StreamClosed);
            return null;
        }

        if (stream.IsRemoteClosed || length > stream.ReceiveWindow)
        {
            connection.Reset(stream, stream.IsRemoteClosed ? Http2ErrorCode.StreamClosed : Http2ErrorCode.FlowControlError);
            return null;
        }

        stream.ReceiveWindow -= length;
        stream.ReceivedBytes += dataLength;
        if (length > dataLength)
            stream.Padded(length - dataLength);
        return stream;
    }

    /// <summary>Data that nobody takes has been dropped.</summary>
    public void OnIgnoredData(int length) => windows.Dropped(length);

    /// <summary>The last frame of a request has come.</summary>
    public void OnRemoteEnd(Http2Stream stream)
    {
        if (!stream.HasRightLength)
        {
            connection.Reset(stream, Http2ErrorCode.ProtocolError);
            return;
        }

        stream.CloseRemote();
        if (!stream.IsStarted)
            stream.Start();
        connection.Settle(stream);
    }

    /// <summary>RST_STREAM (§6.4).</summary>
    /// <remarks>Clients on gRPC's C core also reset a call that was cancelled before its HEADERS had left (grpc/grpc#19655). Where calls
    /// have come before, that is ignored, as gRPC's own servers do: the connection's other calls are not to end for it.</remarks>
    public void OnReset(int id)
    {
        if (streams.LastId == 0 || (id & 1) == 0)
            RequireUsed(id);
        SpendIdleFrame();
        if (!streams.TryGet(id, out var stream))
            return;
        counters.ResetStream();
        connection.AbortStream(stream);
    }

    /// <summary>SETTINGS (§6.5).</summary>
    public void OnSettings(FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (header.Has(FrameFlags.Ack))
        {
            if (payload.Length != 0)
                throw new Http2ConnectionException(Http2ErrorCode.FrameSizeError, "an acknowledgement of SETTINGS has a payload");
            return;
        }

        SpendIdleFrame();
        PeerSettings.Apply(payload, sender, streams.Open);
        Answer(FrameType.Settings, []);
    }

    /// <summary>PING (§6.7).</summary>
    public void OnPing(FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (!header.Has(FrameFlags.Ack))
        {
            SpendIdleFrame();
            if (!pings.TryTake(sender.WorkCount, streams.BusyCount > 0))
                throw new Http2ConnectionException(Http2ErrorCode.EnhanceYourCalm, "too_many_pings");
            Answer(FrameType.Ping, payload);
        }
        else if (connection.IsDraining && !connection.HasSaidLast)
        {
            connection.SayLast();
        }
    }

    /// <summary>GOAWAY: the peer opens no more streams.</summary>
    public void OnGoAway() => connection.PeerDrains();

    /// <summary>WINDOW_UPDATE (§6.9).</summary>
    public void OnWindowUpdate(int id, int increment)
    {
        if (id == 0)
        {
            if (increment == 0)
                throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, "a window update of 0");
            if (!sender.TryAddWindow(increment))
                throw new Http2ConnectionException(Http2ErrorCode.FlowControlError, "the connection's window overflows");
            return;
        }

        if (!streams.TryGet(id, out var stream))
        {
            RequireUsed(id);
            return;
        }

        stream.SendWindow += increment;
        if (increment == 0)
            connection.Reset(stream, Http2ErrorCode.ProtocolError);
        else if (stream.SendWindow > int.MaxValue)
            connection.Reset(stream, Http2ErrorCode.FlowControlError);
        else
            sender.Enqueue(stream);
    }

    private HeaderList Decode(ReadOnlySpan<byte> block)
    {
        var generation = _decoder.Generation;
        if (_blocks.Find(block, generation) is { } known)
            return known;
        var headers = new HeaderList(connection.Limits.MaxHeaderListBytes);
        _decoder.Decode(block, headers);
        if (generation == _decoder.Generation)
            _blocks.Add(block, generation, headers);
        return headers;
    }

    private void OnRequest(int id, HeaderList headers, bool endsStream)
    {
        streams.Use(id);
        if (connection.HasSaidLast)
            return;
        headers.CompleteRequest();
        if (headers.IsTooLarge)
        {
            SpendIdleFrame();
            sender.Answer(id, 431);
            if (!endsStream)
                connection.SendReset(id, Http2ErrorCode.NoError);
            return;
        }

        if (streams.BusyCount >= connection.Limits.MaxStreams || headers.Fault is not null)
        {
            SpendIdleFrame();
            connection.SendReset(id, headers.Fault is null ? Http2ErrorCode.RefusedStream : Http2ErrorCode.ProtocolError);
            return;
        }

        counters.OpenedStream();
        var stream = streams.Add(id);
        stream.Open(id, headers, connection.Limits.StreamWindowBytes, sender.InitialWindow);
        if (endsStream)
            OnRemoteEnd(stream);
        else
            _unstarted.Add(stream);
    }

    private void OnTrailers(Http2Stream stream, HeaderList headers, bool endsStream)
    {
        if (stream.IsRemoteClosed)
            connection.Reset(stream, Http2ErrorCode.StreamClosed);
        else if (!endsStream || headers.HasPseudoField || headers.Fault is not null || headers.IsTooLarge)
            connection.Reset(stream, Http2ErrorCode.ProtocolError);
        else
            OnRemoteEnd(stream);
    }

    /// <summary>Starts calls whose request has not ended with what has been received: streams, and large messages.</summary>
    public void StartUnended()
    {
        foreach (var stream in _unstarted)
        {
            if (!stream.IsStarted && !stream.IsReset && streams.Contains(stream))
                stream.Start();
        }

        _unstarted.Clear();
    }

    private void RequireUsed(int id)
    {
        if (id > streams.LastId)
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"stream {id} is not open");
    }

    private void Answer(FrameType type, ReadOnlySpan<byte> payload)
    {
        connection.CheckControl();
        sender.Control(type, FrameFlags.Ack, 0, payload);
    }
}
