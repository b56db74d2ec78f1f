using System.Buffers.Binary;
using Sluice.Tensors;

namespace Sluice.Http2.Connection;

/// <summary>Cuts received bytes into frames (RFC 9113 §4 and §6) and hands them to the connection.</summary>
/// <remarks>
/// <para>DATA is handed on piece by piece as it arrives, in place. Every other frame is small and waits until it is whole.</para>
/// <para><b>Threads.</b> The connection's turn.</para>
/// </remarks>
internal sealed class FrameReceiver(Http2Connection connection, FrameHandler handler, TensorBufferPool pool)
{
    // A tensor of 64 KiB comes in one read with all around it.
    private const int SegmentBytes = 80 * 1024;
    private const int SmallestRoom = 4 * 1024;
    private const int LargestSettings = 6 * 64;
    private const int LargestGoAway = 16 * 1024;

    private static readonly byte[] Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray();

    private readonly Http2Limits _limits = connection.Limits;
    private readonly HeaderBlock _block = new(connection.Limits);
    private ReceiveSegment? _segment;
    private int _parsed;
    private bool _hasPreface;
    private bool _hasSettings;
    private int _skip;

    // The DATA frame that is under way.
    private Http2Stream? _dataStream;
    private int _dataLeft;
    private int _padLeft;
    private bool _dataEnds;
    private bool _isInData;

    private int _landing;

    // Bytes are being received into the segment outside of the turn.
    private bool _isReceiving;
    private bool _isDropped;

    /// <summary>The preface and the first SETTINGS have come.</summary>
    public bool IsOpen => _hasSettings;

    /// <summary>A header block has begun and not ended.</summary>
    public bool IsInHeaderBlock => _block.StreamId != 0;

    /// <summary>Says where the next bytes go.</summary>
    /// <param name="canLand">The bytes are received before anything else happens to the connection; else the memory is kept until
    /// <see cref="Received"/>, also of none.</param>
    /// <param name="landing">Memory of a waiting reader for the rest of its DATA frame; may be empty. It is filled first.</param>
    /// <param name="buffer">What follows; never empty.</param>
    public void GetTargets(bool canLand, out Memory<byte> landing, out Memory<byte> buffer)
    {
        MakeRoom();
        landing = default;
        if (canLand && _isInData && _dataLeft > 0 && _dataStream is not null && _parsed == _segment!.Filled)
        {
            var target = _dataStream.FillTarget;
            landing = target[..Math.Min(target.Length, _dataLeft)];
        }

        _landing = landing.Length;
        _isReceiving = !canLand;
        buffer = _segment!.Memory[_segment.Filled..];
    }

    /// <summary>Takes bytes that were received into the targets.</summary>
    public void Received(int count)
    {
        _isReceiving = false;
        if (_isDropped)
        {
            Drop();
            return;
        }

        var landed = Math.Min(count, _landing);
        _landing = 0;
        if (landed > 0)
        {
            _dataLeft -= landed;
            _dataStream!.Filled(landed);
            if (_dataLeft == 0)
                FinishData();
        }

        if (_segment is null)
            return; // what landed has ended the connection
        _segment.Filled += count - landed;
        Parse();
    }

    /// <summary>Gives the receive memory back when nothing half-received lies in it.</summary>
    public void Relax()
    {
        if (_segment is not null && _parsed == _segment.Filled && !_isReceiving)
            ReleaseSegment();
    }

    /// <summary>Gives the receive memory back; nothing will be received any more.</summary>
    public void Drop()
    {
        _isDropped = true;
        if (!_isReceiving)
            ReleaseSegment();
        _dataStream = null;
        _isInData = false;
    }

    /// <summary>Forgets a stream that has ended while its DATA frame is under way.</summary>
    public void Forget(Http2Stream stream)
    {
        if (_dataStream == stream)
            _dataStream = null;
    }

    private void ReleaseSegment()
    {
        _segment?.Release();
        _segment = null;
        _parsed = 0;
    }

    private void MakeRoom()
    {
        if (_segment is null)
        {
            _segment = ReceiveSegment.Over(pool.Rent(SegmentBytes));
            _parsed = 0;
            return;
        }

        var left = _segment.Filled - _parsed;
        if (_segment.IsUnshared)
        {
            if (_parsed > 0)
                _segment.Memory.Slice(_parsed, left).CopyTo(_segment.Memory);
            _segment.Filled = left;
            _parsed = 0;
        }
        else if (_segment.Memory.Length - _segment.Filled < SmallestRoom || left > 0)
        {
            var next = ReceiveSegment.Over(pool.Rent(SegmentBytes));
            _segment.Memory.Slice(_parsed, left).CopyTo(next.Memory);
            next.Filled = left;
            _segment.Release();
            _segment = next;
            _parsed = 0;
        }
    }

    private void Parse()
    {
        if (!_hasPreface && !TakePreface())
            return;
        while (!connection.IsFinished && Step())
        {
        }
    }

    private bool TakePreface()
    {
        var bytes = Unparsed;
        var length = Math.Min(bytes.Length, Preface.Length);
        if (!bytes[..length].SequenceEqual(Preface.AsSpan(0, length)))
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, "the connection does not begin with HTTP/2's preface");
        if (length < Preface.Length)
            return false;
        _hasPreface = true;
        _parsed += length;
        return true;
    }

    private Span<byte> Unparsed => _segment!.Memory.Span[_parsed.._segment.Filled];

    /// <summary>Takes the next piece; false when more bytes are needed.</summary>
    private bool Step()
    {
        if (_isInData)
            return StepData();
        var available = _segment!.Filled - _parsed;
        if (_skip > 0)
        {
            var part = Math.Min(_skip, available);
            _skip -= part;
            _parsed += part;
            return part > 0;
        }

        if (available < FrameHeader.Size)
            return false;
        var header = FrameHeader.Read(Unparsed);
        CheckHeader(header);
        if (header.Type == FrameType.Data)
            return BeginData(header);
        if (header.Type > FrameType.Continuation)
        {
            handler.SpendIdleFrame();
            _parsed += FrameHeader.Size;
            _skip = header.Length;
            return true;
        }

        if (available < FrameHeader.Size + header.Length)
            return false;
        var payload = Unparsed.Slice(FrameHeader.Size, header.Length);
        _parsed += FrameHeader.Size + header.Length;
        Dispatch(header, payload);
        return true;
    }

    private void CheckHeader(FrameHeader header)
    {
        if (header.Length > _limits.MaxFrameBytes)
            throw new Http2ConnectionException(
                Http2ErrorCode.FrameSizeError, $"a frame of {header.Length} bytes is above the limit of {_limits.MaxFrameBytes}");
        _block.Check(header);
        if (!_hasSettings && header.Type != FrameType.Settings)
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, "the first frame is not SETTINGS");
        var most = header.Type switch
        {
            FrameType.Headers or FrameType.Continuation or FrameType.PushPromise => _limits.MaxHeaderListBytes + 261,
            FrameType.Settings => LargestSettings,
            FrameType.GoAway => LargestGoAway,
            _ => int.MaxValue,
        };
        if (header.Length > most)
            throw new Http2ConnectionException(
                Http2ErrorCode.EnhanceYourCalm, $"a {header.Type} frame of {header.Length} bytes is above the limit of {most}");
        var exact = header.Type switch
        {
            FrameType.Ping => 8,
            FrameType.RstStream or FrameType.WindowUpdate => 4,
            FrameType.Priority => 5,
            _ => header.Length,
        };
        if (header.Length != exact)
            throw new Http2ConnectionException(
                Http2ErrorCode.FrameSizeError, $"a {header.Type} frame has {header.Length} bytes where {exact} are defined");
    }

    private void Dispatch(FrameHeader header, Span<byte> payload)
    {
        switch (header.Type)
        {
            case FrameType.Headers:
                RequireStream(header);
                if (_block.Begin(header, payload, out var whole))
                    handler.OnHeaders(header.StreamId, whole, header.Has(FrameFlags.EndStream));
                break;
            case FrameType.Continuation:
                if (_block.Continue(header, payload, out whole, out var endsStream))
                    handler.OnHeaders(header.StreamId, whole, endsStream);
                break;
            case FrameType.Settings:
                RequireNoStream(header);
                _hasSettings = true;
                handler.OnSettings(header, payload);
                break;
            case FrameType.Priority:
                RequireStream(header);
                handler.SpendIdleFrame();
                break;
            case FrameType.RstStream:
                RequireStream(header);
                handler.OnReset(header.StreamId);
                break;
            case FrameType.Ping:
                RequireNoStream(header);
                handler.OnPing(header, payload);
                break;
            case FrameType.GoAway:
                RequireNoStream(header);
                if (payload.Length < 8)
                    throw new Http2ConnectionException(Http2ErrorCode.FrameSizeError, "a GOAWAY frame is too short");
                handler.OnGoAway();
                break;
            case FrameType.WindowUpdate:
                handler.OnWindowUpdate(header.StreamId, BinaryPrimitives.ReadInt32BigEndian(payload) & 0x7fffffff);
                break;
            default:
                throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"a client may not send {header.Type}");
        }
    }

    private bool BeginData(FrameHeader header)
    {
        RequireStream(header);
        var headerBytes = FrameHeader.Size;
        _padLeft = 0;
        if (header.Has(FrameFlags.Padded))
        {
            if (header.Length == 0)
                throw new Http2ConnectionException(Http2ErrorCode.FrameSizeError, "a padded DATA frame has no pad length");
            if (Unparsed.Length <= FrameHeader.Size)
                return false;
            _padLeft = Unparsed[FrameHeader.Size];
            headerBytes++;
            if (_padLeft >= header.Length)
                throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, "a DATA frame is all padding");
        }

        _parsed += headerBytes;
        _dataLeft = header.Length - _padLeft - (headerBytes - FrameHeader.Size);
        _dataEnds = header.Has(FrameFlags.EndStream);
        _isInData = true;
        if (header.Length == 0 && !_dataEnds)
            handler.SpendIdleFrame();
        _dataStream = handler.OnData(header.StreamId, header.Length, _dataLeft);
        return true;
    }

    private bool StepData()
    {
        var available = _segment!.Filled - _parsed;
        if (_dataLeft > 0)
        {
            var part = Math.Min(_dataLeft, available);
            if (part == 0)
                return false;
            var start = _parsed;
            _parsed += part;
            _dataLeft -= part;
            if (_dataStream is null)
                handler.OnIgnoredData(part);
            else
                _dataStream.Receive(_segment, _segment.Memory.Slice(start, part));
        }

        if (_dataLeft > 0)
            return true;
        if (_padLeft > 0)
        {
            var part = Math.Min(_padLeft, _segment.Filled - _parsed);
            _parsed += part;
            _padLeft -= part;
            if (_padLeft > 0)
                return part > 0;
        }

        FinishData();
        return true;
    }

    private void FinishData()
    {
        if (_padLeft > 0 || !_isInData)
            return;
        _isInData = false;
        var stream = _dataStream;
        _dataStream = null;
        if (stream is not null && _dataEnds)
            handler.OnRemoteEnd(stream);
    }

    private static void RequireStream(FrameHeader header)
    {
        if (header.StreamId == 0)
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"a {header.Type} frame names no stream");
    }

    private static void RequireNoStream(FrameHeader header)
    {
        if (header.StreamId != 0)
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"a {header.Type} frame names a stream");
    }
}
