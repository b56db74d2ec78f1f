using System.Buffers.Binary;
using System.Text;
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
    private readonly Patience _patience;
    private readonly FrameHandler _handler;
    private Http2Stream? _needy;
    private Http2Stream? _posted;
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
        _sender = new FrameSender(this);
        _streams = new StreamTable(this, dispatcher);
        _windows = new ReceiveWindows(limits, _sender);
        _handler = new FrameHandler(
            this, _sender, _streams, _windows, counters, new FrameBudget(limits.IdleFramesPerSecond, time),
            new PingStrikes(limits, time));
        _receiver = new FrameReceiver(this, _handler, memory);
        _patience = new Patience(limits, time);
        PeerSettings.Announce(_sender, limits);
        _windows.Announce();
    }

    /// <summary>The bounds of this connection.</summary>
    public Http2Limits Limits { get; }

    /// <summary>The next bytes for the peer.</summary>
    public SendBatch Output { get; }

    /// <summary>The connection ends when its calls have ended.</summary>
    public bool IsDraining { get; private set; }

    /// <summary>The peer knows which stream is the last to be served.</summary>
    public bool HasSaidLast { get; private set; }

    /// <summary>The connection takes no more bytes; once <see cref="Output"/> is sent it is to be closed.</summary>
    public bool IsFinished { get; private set; }

    /// <summary>Says where the next bytes are to be received, until <see cref="Received"/>; see <see cref="FrameReceiver.GetTargets"/>.</summary>
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
            _patience.HasReceived();
            _receiver.Received(count);
            _handler.StartUnended();
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
            if (IsDraining && HasSaidLast && _streams.BusyCount == 0)
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
        if (_owner.TryPostponeLoss())
            return;
        Output.Clear();
        AbortAll();
        _sender.Clear();
        _receiver.Drop();
    }

    /// <summary>The peer opens no more streams.</summary>
    public void PeerDrains()
    {
        IsDraining = true;
        if (!HasSaidLast)
            SayLast();
    }

    /// <summary>Ends the connection when its calls have ended: says so to the peer first, later which call was the last.</summary>
    public void Drain()
    {
        if (IsDraining || IsFinished)
            return;
        IsDraining = true;
        SendGoAway(int.MaxValue, Http2ErrorCode.NoError, "");
        _sender.Control(FrameType.Ping, FrameFlags.None, 0, "draining"u8);
    }

    /// <summary>Checks what takes too long; about once a second.</summary>
    public void Tick()
    {
        if (IsFinished)
        {
            // Last words that the peer does not read must not keep the connection.
            if (!_isLost && _patience.IsSendOver(!Output.IsEmpty || _sender.HasWaiting))
                Lost();
            return;
        }

        if (_patience.IsHandshakeOver(_receiver.IsOpen))
            Fail(Http2ErrorCode.SettingsTimeout, "the client did not complete its handshake in time");
        else if (_patience.IsHeaderBlockOver(_receiver.IsInHeaderBlock))
            Fail(Http2ErrorCode.EnhanceYourCalm, "the client did not complete a header block in time");
        if (_patience.IsPingDue(_sender.WorkCount, _streams.BusyCount > 0))
            _sender.Control(FrameType.Ping, FrameFlags.None, 0, "keepaliv"u8);
        if (_patience.IsSilenceOver || _patience.IsSendOver(!Output.IsEmpty || _sender.HasWaiting))
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

        if (IsDraining && !HasSaidLast)
            SayLast();
    }

    /// <summary>Logs a fault of ours that a handler let through.</summary>
    public void ReportFault(Exception error) => Http2Log.HandlerFault(_logger, error);

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
            stream.CancelFill();
            _windows.Credit(stream, isOpen: !stream.IsRemoteClosed && _streams.Contains(stream));
            if (stream.IsServed)
                _windows.Dropped(stream.DiscardBody());
            _sender.Enqueue(stream);
            stream.ReleaseWriter();
            Settle(stream);
        }
    }

    /// <summary>Ends a stream with an error code.</summary>
    public void Reset(Http2Stream stream, Http2ErrorCode code)
    {
        SendReset(stream.Id, code);
        AbortStream(stream);
    }

    /// <summary>Says that a stream has ended.</summary>
    public void SendReset(int id, Http2ErrorCode code)
    {
        _streams.NoteReset(id);
        CheckControl();
        _sender.Control(FrameType.RstStream, id, (int)code);
    }

    /// <summary>Ends a stream here; the handler hears of it.</summary>
    public void AbortStream(Http2Stream stream)
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

    private void Fail(Http2ErrorCode code, string reason)
    {
        if (IsFinished)
            return;
        _counters.FailedConnection(code);
        Http2Log.ConnectionFailed(_logger, code.ToString(), reason);
        SendGoAway(_streams.LastId, code, reason);
        IsFinished = true;
        AbortAll();
        _receiver.Drop();
        _owner.RequestTurn();
    }

    /// <summary>Tells the peer which stream was the last to be served.</summary>
    public void SayLast()
    {
        HasSaidLast = true;
        SendGoAway(_streams.LastId, Http2ErrorCode.NoError, "");
    }

    // The reason goes along as debug data; gRPC clients ping less often when it is "too_many_pings".
    private void SendGoAway(int lastStreamId, Http2ErrorCode code, string reason)
    {
        var payload = new byte[8 + reason.Length];
        BinaryPrimitives.WriteInt32BigEndian(payload, lastStreamId);
        BinaryPrimitives.WriteInt32BigEndian(payload.AsSpan(4), (int)code);
        Encoding.ASCII.GetBytes(reason, payload.AsSpan(8));
        _sender.Control(FrameType.GoAway, FrameFlags.None, 0, payload);
    }

    /// <summary>Bounds the answers that wait for a peer that does not read.</summary>
    public void CheckControl()
    {
        if (_sender.ControlBytes > Limits.MaxControlBytes && !IsFinished)
            throw new Http2ConnectionException(
                Http2ErrorCode.EnhanceYourCalm, "the client makes us answer and does not read the answers");
    }
}
