using System.Buffers.Binary;
using Microsoft.Extensions.Logging;
using Sluice.Http2.Hpack;
using Sluice.Rpc.Dispatch;
using Sluice.Tensors;

namespace Sluice.Http2.Connection;

/// <summary>One HTTP/2 connection without its socket (RFC 9113): bytes go in, calls are served, bytes come out.</summary>
/// <remarks>
/// <para><b>Turns.</b> Whoever owns the socket gives the connection its turns, one at a time: <see cref="Received"/> as often as
/// bytes came, then <see cref="Turn"/>, then the bytes of <see cref="Output"/> are sent and counted by <see cref="Sent"/>.
/// Handlers run within the turn as far as they go; those that wait continue elsewhere and ask for another turn.</para>
/// <para><b>Threads.</b> All members belong to the turn but <see cref="Enlist"/>.</para>
/// </remarks>
internal sealed class Http2Connection
{
    private const int AttentionRounds = 64;

    private readonly IConnectionOwner _owner;
    private readonly Http2Counters _counters;
    private readonly ILogger _logger;
    private readonly FrameReceiver _receiver;
    private readonly FrameSender _sender;
    private readonly StreamTable _streams;
    private readonly ReceiveWindows _windows;
    private readonly FrameBudget _budget;
    private readonly Patience _patience;
    private readonly HpackDecoder _decoder = new(4096);
    private readonly HeaderBlockCache _blocks = new();
    private readonly List<Http2Stream> _unstarted = [];
    private Http2Stream? _needy;
    private Http2Stream? _posted;
    private bool _isDraining;
    private bool _hasSaidLast;
    private bool _isLost;

    public Http2Connection(
        IConnectionOwner owner, RpcDispatcher dispatcher, Http2Limits limits, TensorBufferPool memory, Http2Counters counters,
        TimeProvider time, ILogger logger)
    {
        _owner = owner;
        _counters = counters;
        _logger = logger;
        Limits = limits;
        Output = new SendBatch(memory);
        _receiver = new FrameReceiver(this, memory);
        _sender = new FrameSender(this);
        _streams = new StreamTable(this, dispatcher);
        _windows = new ReceiveWindows(limits, _sender);
        _budget = new FrameBudget(limits.IdleFramesPerSecond, time);
        _patience = new Patience(limits, time);
        PeerSettings.Announce(_sender, limits);
        _windows.Announce();
    }

    /// <summary>The bounds of this connection.</summary>
    public Http2Limits Limits { get; }

    /// <summary>The next bytes for the peer.</summary>
    public SendBatch Output { get; }

    /// <summary>The connection takes no more bytes; once <see cref="Output"/> is sent it is to be closed.</summary>
    public bool IsFinished { get; private set; }

    /// <summary>Says where the next bytes are to be received; see <see cref="FrameReceiver.GetTargets"/>.</summary>
    /// <returns>False when there is no memory; the connection has ended then.</returns>
    public bool TryGetTargets(bool canLand, out Memory<byte> landing, out Memory<byte> buffer)
    {
        try
        {
            _receiver.GetTargets(canLand, out landing, out buffer);
            return true;
        }
        catch (TensorPoolExhaustedException error)
        {
            landing = buffer = default;
            Fail(Http2ErrorCode.EnhanceYourCalm, error.Message);
            return false;
        }
    }

    /// <summary>Takes received bytes and serves what they complete.</summary>
    public void Received(int count)
    {
        try
        {
            _receiver.Received(count);
            StartUnended();
        }
        catch (Http2ConnectionException error)
        {
            Fail(error.Code, error.Message);
        }
        catch (HpackException error)
        {
            Fail(Http2ErrorCode.CompressionError, error.Message);
        }
    }

    /// <summary>Looks at all streams that asked for it and fills <see cref="Output"/> when it is empty.</summary>
    public void Turn()
    {
        try
        {
            for (var round = 0; round < AttentionRounds && AttendAll(); round++)
            {
            }

            if (_needy is not null)
                _owner.RequestTurn();
            _windows.CreditConnection(_streams.Open);
            if (_isLost)
                return;
            if (_isDraining && _hasSaidLast && _streams.BusyCount == 0)
                IsFinished = true;
            if (Output.IsEmpty)
                _sender.Fill(Output);
            _receiver.Relax();
        }
        catch (Http2ConnectionException error)
        {
            Fail(error.Code, error.Message);
        }
        catch (TensorPoolExhaustedException error)
        {
            // Not even the last words can be said.
            Http2Log.ConnectionFailed(_logger, nameof(Http2ErrorCode.EnhanceYourCalm), error.Message);
            Lost();
        }
    }

    /// <summary>Counts bytes of <see cref="Output"/> as sent.</summary>
    public void Sent(long count)
    {
        _patience.HasSent();
        Output.Sent(count);
    }

    /// <summary>Remembers a stream that wants to be looked at. Any thread.</summary>
    public void Enlist(Http2Stream stream)
    {
        Http2Stream? head;
        if (_owner.IsInTurn)
        {
            head = _needy;
            stream.NextInNeed = head;
            _needy = stream;
        }
        else
        {
            do
            {
                head = Volatile.Read(ref _posted);
                stream.NextInNeed = head;
            }
            while (Interlocked.CompareExchange(ref _posted, stream, head) != head);
        }

        if (head is null)
            _owner.RequestTurn();
    }

    /// <summary>The peer is gone: every call ends and nothing more is sent.</summary>
    public void Lost()
    {
        _isLost = IsFinished = true;
        Output.Clear();
        AbortAll();
        _sender.Clear();
        _receiver.Drop();
    }

    /// <summary>Ends the connection when its calls have ended: says so to the peer first, later which call was the last.</summary>
    public void Drain()
    {
        if (_isDraining || IsFinished)
            return;
        _isDraining = true;
        SendGoAway(int.MaxValue, Http2ErrorCode.NoError);
        _sender.Control(FrameType.Ping, FrameFlags.None, 0, "draining"u8);
    }

    /// <summary>Checks what takes too long; about once a second.</summary>
    public void Tick()
    {
        if (IsFinished)
            return;
        if (_patience.IsHandshakeOver(_receiver.IsOpen))
            Fail(Http2ErrorCode.SettingsTimeout, "the client did not complete its handshake in time");
        else if (_patience.IsHeaderBlockOver(_receiver.IsInHeaderBlock))
            Fail(Http2ErrorCode.EnhanceYourCalm, "the client did not complete a header block in time");
        if (_patience.IsSendOver(!Output.IsEmpty || _sender.HasWaiting))
        {
            _counters.Stalled();
            Lost();
            return;
        }

        foreach (var stream in _streams.Open.Where(_patience.IsStreamOver).ToArray())
        {
            _counters.Stalled();
            Reset(stream, Http2ErrorCode.Cancel);
        }

        if (_isDraining && !_hasSaidLast)
            SayLast();
    }

    /// <summary>Logs a fault of ours that a handler let through.</summary>
    public void ReportFault(Exception error) => Http2Log.HandlerFault(_logger, error);

    /// <summary>Counts a frame that carries no work.</summary>
    public void SpendIdleFrame()
    {
        if (!_budget.TrySpend())
            throw new Http2ConnectionException(Http2ErrorCode.EnhanceYourCalm, "the client sends too many frames without work");
    }

    /// <summary>A header block is complete.</summary>
    public void OnHeaders(int id, ReadOnlySpan<byte> block, bool endsStream)
    {
        var headers = Decode(block);
        if (_streams.TryGet(id, out var open))
            OnTrailers(open, headers, endsStream);
        else if ((id & 1) == 0)
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"a client may not open stream {id}");
        else if (id > _streams.LastId)
            OnRequest(id, headers, endsStream);
        else if (!_streams.WasReset(id))
            throw new Http2ConnectionException(Http2ErrorCode.StreamClosed, $"stream {id} has ended");
    }

    /// <summary>A DATA frame begins.</summary>
    /// <param name="id">Its stream.</param>
    /// <param name="length">Bytes that count against the windows.</param>
    /// <param name="dataLength">Those of them that are no padding.</param>
    /// <returns>Who takes the data; null when nobody does.</returns>
    public Http2Stream? OnData(int id, int length, int dataLength)
    {
        _windows.Spend(length);
        _windows.Dropped(length - dataLength);
        if (!_streams.TryGet(id, out var stream))
        {
            RequireUsed(id);
            if (!_streams.WasReset(id))
                SendReset(id, Http2ErrorCode.StreamClosed);
            return null;
        }

        if (stream.IsRemoteClosed || length > stream.ReceiveWindow)
        {
            Reset(stream, stream.IsRemoteClosed ? Http2ErrorCode.StreamClosed : Http2ErrorCode.FlowControlError);
            return null;
        }

        stream.ReceiveWindow -= length;
        stream.ReceivedBytes += dataLength;
        return stream;
    }

    /// <summary>Data that nobody takes has been dropped.</summary>
    public void OnIgnoredData(int length) => _windows.Dropped(length);

    /// <summary>The last frame of a request has come.</summary>
    public void OnRemoteEnd(Http2Stream stream)
    {
        if (!stream.HasRightLength)
        {
            Reset(stream, Http2ErrorCode.ProtocolError);
            return;
        }

        stream.CloseRemote();
        if (!stream.IsStarted)
            stream.Start();
        Settle(stream);
    }

    /// <summary>RST_STREAM (§6.4).</summary>
    public void OnReset(int id)
    {
        RequireUsed(id);
        SpendIdleFrame();
        if (!_streams.TryGet(id, out var stream))
            return;
        _counters.ResetStream();
        AbortStream(stream);
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
        PeerSettings.Apply(payload, _sender, _streams.Open);
        Answer(FrameType.Settings, []);
    }

    /// <summary>PING (§6.7).</summary>
    public void OnPing(FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (!header.Has(FrameFlags.Ack))
        {
            SpendIdleFrame();
            Answer(FrameType.Ping, payload);
        }
        else if (_isDraining && !_hasSaidLast)
        {
            SayLast();
        }
    }

    /// <summary>GOAWAY: the peer opens no more streams.</summary>
    public void OnGoAway()
    {
        _isDraining = true;
        if (!_hasSaidLast)
            SayLast();
    }

    /// <summary>WINDOW_UPDATE (§6.9).</summary>
    public void OnWindowUpdate(int id, int increment)
    {
        if (id == 0)
        {
            if (increment == 0)
                throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, "a window update of 0");
            if (!_sender.TryAddWindow(increment))
                throw new Http2ConnectionException(Http2ErrorCode.FlowControlError, "the connection's window overflows");
            return;
        }

        if (!_streams.TryGet(id, out var stream))
        {
            RequireUsed(id);
            return;
        }

        stream.SendWindow += increment;
        if (increment == 0)
            Reset(stream, Http2ErrorCode.ProtocolError);
        else if (stream.SendWindow > int.MaxValue)
            Reset(stream, Http2ErrorCode.FlowControlError);
        else
            _sender.Enqueue(stream);
    }

    /// <summary>We have ended our side of a stream.</summary>
    public void LocalEnded(Http2Stream stream)
    {
        stream.IsLocalClosed = true;
        if (stream.IsRemoteClosed)
            return;

        // The answer is whole; what the peer still sends is not needed (§8.1).
        Reset(stream, Http2ErrorCode.NoError);
    }

    /// <summary>Forgets a stream that has ended and keeps its object for the next when nobody uses it.</summary>
    public void Settle(Http2Stream stream)
    {
        if (!stream.IsReset && !(stream.IsLocalClosed && stream.IsRemoteClosed))
            return;
        _streams.Remove(stream);
        if (!stream.IsIdle)
            return;
        _windows.Dropped(stream.TakeConsumed() + stream.DiscardBody());
        stream.Recycle();
        _streams.Keep(stream);
    }

    private HeaderList Decode(ReadOnlySpan<byte> block)
    {
        var generation = _decoder.Generation;
        if (_blocks.Find(block, generation) is { } known)
            return known;
        var headers = new HeaderList(Limits.MaxHeaderListBytes);
        _decoder.Decode(block, headers);
        if (generation == _decoder.Generation)
            _blocks.Add(block, generation, headers);
        return headers;
    }

    private void OnRequest(int id, HeaderList headers, bool endsStream)
    {
        _streams.Use(id);
        if (_hasSaidLast)
            return;
        headers.CompleteRequest();
        if (headers.IsTooLarge)
        {
            SpendIdleFrame();
            _sender.Answer(id, 431);
            if (!endsStream)
                SendReset(id, Http2ErrorCode.NoError);
            return;
        }

        if (_streams.BusyCount >= Limits.MaxStreams || headers.Fault is not null)
        {
            SpendIdleFrame();
            SendReset(id, headers.Fault is null ? Http2ErrorCode.RefusedStream : Http2ErrorCode.ProtocolError);
            return;
        }

        _counters.OpenedStream();
        var stream = _streams.Add(id);
        stream.Open(id, headers, Limits.StreamWindowBytes, _sender.InitialWindow);
        if (endsStream)
            OnRemoteEnd(stream);
        else
            _unstarted.Add(stream);
    }

    private void OnTrailers(Http2Stream stream, HeaderList headers, bool endsStream)
    {
        if (stream.IsRemoteClosed)
            Reset(stream, Http2ErrorCode.StreamClosed);
        else if (!endsStream || headers.HasPseudoField || headers.Fault is not null || headers.IsTooLarge)
            Reset(stream, Http2ErrorCode.ProtocolError);
        else
            OnRemoteEnd(stream);
    }

    /// <summary>Starts calls whose request has not ended with what has been received: streams, and large messages.</summary>
    private void StartUnended()
    {
        foreach (var stream in _unstarted)
        {
            if (!stream.IsStarted && !stream.IsReset && _streams.Contains(stream))
                stream.Start();
        }

        _unstarted.Clear();
    }

    private bool AttendAll()
    {
        var needy = _needy;
        _needy = null;
        var posted = Volatile.Read(ref _posted) is null ? null : Interlocked.Exchange(ref _posted, null);
        Attend(needy);
        Attend(posted);
        return needy is not null || posted is not null;
    }

    private void Attend(Http2Stream? list)
    {
        while (list is not null)
        {
            var stream = list;
            list = stream.NextInNeed;
            stream.NextInNeed = null;
            stream.BeginAttention();
            if (stream.RequestedAbort >= 0 && !stream.IsReset)
                Reset(stream, (Http2ErrorCode)stream.RequestedAbort);
            _windows.Credit(stream, isOpen: !stream.IsRemoteClosed && _streams.Contains(stream));
            if (stream.IsServed)
                _windows.Dropped(stream.DiscardBody());
            _sender.Enqueue(stream);
            stream.ReleaseWriter();
            Settle(stream);
        }
    }

    private void Reset(Http2Stream stream, Http2ErrorCode code)
    {
        SendReset(stream.Id, code);
        AbortStream(stream);
    }

    private void SendReset(int id, Http2ErrorCode code)
    {
        _streams.NoteReset(id);
        CheckControl();
        _sender.Control(FrameType.RstStream, id, (int)code);
    }

    private void AbortStream(Http2Stream stream)
    {
        _receiver.Forget(stream);
        _streams.Remove(stream);
        stream.Abort();
        stream.RequestAttention();
    }

    private void AbortAll()
    {
        foreach (var stream in _streams.Open.ToArray())
            AbortStream(stream);
    }

    private void RequireUsed(int id)
    {
        if (id > _streams.LastId)
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"stream {id} is not open");
    }

    private void Fail(Http2ErrorCode code, string reason)
    {
        if (IsFinished)
            return;
        _counters.FailedConnection(code);
        Http2Log.ConnectionFailed(_logger, code.ToString(), reason);
        SendGoAway(_streams.LastId, code);
        IsFinished = true;
        AbortAll();
        _receiver.Drop();
        _owner.RequestTurn();
    }

    private void SayLast()
    {
        _hasSaidLast = true;
        SendGoAway(_streams.LastId, Http2ErrorCode.NoError);
    }

    private void SendGoAway(int lastStreamId, Http2ErrorCode code)
    {
        Span<byte> payload = stackalloc byte[8];
        BinaryPrimitives.WriteInt32BigEndian(payload, lastStreamId);
        BinaryPrimitives.WriteInt32BigEndian(payload[4..], (int)code);
        _sender.Control(FrameType.GoAway, FrameFlags.None, 0, payload);
    }

    private void Answer(FrameType type, ReadOnlySpan<byte> payload)
    {
        CheckControl();
        _sender.Control(type, FrameFlags.Ack, 0, payload);
    }

    private void CheckControl()
    {
        if (_sender.ControlBytes > Limits.MaxControlBytes && !IsFinished)
            throw new Http2ConnectionException(
                Http2ErrorCode.EnhanceYourCalm, "the client makes us answer and does not read the answers");
    }
}
