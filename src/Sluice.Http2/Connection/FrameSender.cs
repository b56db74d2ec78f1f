using System.Buffers;
using System.Buffers.Binary;
using Sluice.Http2.Hpack;

namespace Sluice.Http2.Connection;

/// <summary>Fills the next write with control frames and the streams' answers, within the peer's windows.</summary>
/// <remarks><b>Threads.</b> The connection's turn.</remarks>
internal sealed class FrameSender
{
    private const int LargestBatch = 1024 * 1024;
    private const int SmallestMaxFrame = 16384;
    private const int SmallestLent = 4096;

    private readonly Http2Connection _connection;
    private readonly Queue<Http2Stream> _ready = new();
    private readonly ArrayBufferWriter<byte> _control = new(256);
    private readonly ArrayBufferWriter<byte> _block = new(256);
    private long _window = 65535;
    private bool _owesTableSize;

    public FrameSender(Http2Connection connection) => _connection = connection;

    /// <summary>Largest frame that the peer takes, bytes.</summary>
    public int MaxFrameBytes { get; set; } = SmallestMaxFrame;

    /// <summary>Bytes that the peer takes of a new stream before it says more.</summary>
    public int InitialWindow { get; set; } = 65535;

    /// <summary>Bytes of control frames that wait.</summary>
    public int ControlBytes => _control.WrittenCount;

    /// <summary>Something waits for the peer's windows or for the next write.</summary>
    public bool HasWaiting => _control.WrittenCount > 0 || _ready.Count > 0;

    /// <summary>Counts, with wrap-around, the times that headers or data were sent.</summary>
    public int WorkCount { get; private set; }

    /// <summary>The peer's decoder has a smaller table than ours assumes; we use none.</summary>
    public void ForgetTable() => _owesTableSize = true;

    /// <summary>The peer takes more of the connection.</summary>
    /// <returns>False when that is more than can be.</returns>
    public bool TryAddWindow(int increment)
    {
        _window += increment;
        return _window <= int.MaxValue;
    }

    /// <summary>Puts a stream in the queue when it has anything to send that its window allows.</summary>
    public void Enqueue(Http2Stream stream)
    {
        if (stream.IsSendQueued || stream.IsReset || stream.IsLocalClosed)
            return;
        var pending = stream.Pending.Published;
        if (pending > 0 ? stream.SendWindow <= 0 && stream.HasSentHeaders : !stream.IsServed)
            return;
        stream.IsSendQueued = true;
        _ready.Enqueue(stream);
    }

    /// <summary>Adds a frame with a small payload.</summary>
    public void Control(FrameType type, FrameFlags flags, int streamId, ReadOnlySpan<byte> payload)
    {
        var span = _control.GetSpan(FrameHeader.Size + payload.Length);
        new FrameHeader(payload.Length, type, flags, streamId).Write(span);
        payload.CopyTo(span[FrameHeader.Size..]);
        _control.Advance(FrameHeader.Size + payload.Length);
    }

    /// <summary>Adds a frame whose payload is one number: RST_STREAM or WINDOW_UPDATE.</summary>
    public void Control(FrameType type, int streamId, int value)
    {
        Span<byte> payload = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(payload, value);
        Control(type, FrameFlags.None, streamId, payload);
    }

    /// <summary>Answers a request that no handler sees.</summary>
    public void Answer(int streamId, int status)
    {
        BeginBlock();
        HpackEncoder.WriteStatus(_block, status);
        HpackEncoder.WriteField(_block, "content-length", "0");
        WriteBlock(_control, streamId, FrameFlags.EndStream);
    }

    /// <summary>Fills the batch as far as the windows allow.</summary>
    public void Fill(SendBatch batch)
    {
        if (_control.WrittenCount > 0)
        {
            batch.Copy(_control.WrittenSpan);
            _control.ResetWrittenCount();
        }

        // Each stream sends a frame in its turn, until none can or the write is large.
        for (var idle = 0; idle < _ready.Count && batch.Length < LargestBatch;)
        {
            var stream = _ready.Dequeue();
            var before = batch.Length;
            if (Send(stream, batch))
            {
                _ready.Enqueue(stream);
            }
            else
            {
                stream.IsSendQueued = false;
                _connection.Settle(stream);
            }

            idle = batch.Length == before ? idle + 1 : 0;
            if (idle == 0)
                WorkCount++;
        }

        batch.ClosePiece();
    }

    /// <summary>Drops what waits; nothing will be sent any more.</summary>
    public void Clear()
    {
        while (_ready.TryDequeue(out var stream))
        {
            stream.IsSendQueued = false;
            _connection.Settle(stream);
        }
    }

    /// <summary>Sends one frame, or a whole small answer.</summary>
    /// <returns>True when the stream has more to send than its own window forbids.</returns>
    private bool Send(Http2Stream stream, SendBatch batch)
    {
        if (stream.IsReset)
            return false;
        var isAnswered = stream.IsAnswered; // before the output is looked at: it is published first
        if (!stream.HasSentHeaders)
        {
            stream.HasSentHeaders = true;
            if (isAnswered && stream.Pending.Published == 0)
            {
                WriteFields(batch, stream, stream.ResponseHeaders, isTrailer: false, FrameFlags.EndStream);
                _connection.LocalEnded(stream);
                return false;
            }

            WriteFields(batch, stream, stream.ResponseHeaders, isTrailer: false, FrameFlags.None);
        }

        var room = (int)Math.Min(Math.Min(stream.SendWindow, _window), MaxFrameBytes);
        if (stream.Pending.Published > 0 && room > 0)
            SendData(stream, batch, room);
        if (stream.Pending.Published > 0)
        {
            stream.ReleaseWriter();
            return stream.SendWindow > 0;
        }

        if (isAnswered)
        {
            WriteFields(batch, stream, stream.ResponseTrailers, isTrailer: true, FrameFlags.EndStream);
            _connection.LocalEnded(stream);
        }

        stream.ReleaseWriter();
        return false;
    }

    private void SendData(Http2Stream stream, SendBatch batch, int room)
    {
        var piece = stream.Pending.Peek(room, out var isLent, out var isLast);
        if (isLent && piece.Length >= SmallestLent)
        {
            WriteHeader(batch, piece.Length, FrameType.Data, FrameFlags.None, stream.Id);
            batch.Lend(stream, piece);
            Took(stream, piece.Length);
            return;
        }

        // Small pieces share a frame.
        var length = isLent || isLast ? piece.Length : stream.Pending.CopyableLength(room);
        WriteHeader(batch, length, FrameType.Data, FrameFlags.None, stream.Id);
        while (true)
        {
            batch.Copy(piece.Span);
            length -= piece.Length;
            Took(stream, piece.Length);
            if (length == 0)
                return;
            piece = stream.Pending.Peek(length, out _, out _);
        }
    }

    private void Took(Http2Stream stream, int length)
    {
        stream.Pending.Take(length);
        stream.SendWindow -= length;
        _window -= length;
    }

    private void WriteFields(
        SendBatch batch, Http2Stream stream, IReadOnlyList<HeaderField> fields, bool isTrailer, FrameFlags flags)
    {
        if (!_owesTableSize && (isTrailer ? stream.HasUsualTrailers : stream.HasUsualHeaders))
        {
            var block = isTrailer ? HpackEncoder.GrpcOk : HpackEncoder.GrpcResponse;
            WriteHeader(batch, block.Length, FrameType.Headers, flags | FrameFlags.EndHeaders, stream.Id);
            batch.Copy(block);
            return;
        }

        BeginBlock();
        if (!isTrailer)
            HpackEncoder.WriteStatus(_block, stream.Status);
        for (var i = 0; i < fields.Count; i++)
            HpackEncoder.WriteField(_block, fields[i].Name, fields[i].Value);
        WriteBlock(batch, stream.Id, flags);
    }

    private void BeginBlock()
    {
        _block.ResetWrittenCount();
        if (_owesTableSize)
            HpackEncoder.WriteTableSizeZero(_block);
        _owesTableSize = false;
    }

    private void WriteBlock(IBufferWriter<byte> output, int streamId, FrameFlags flags)
    {
        var rest = _block.WrittenSpan;
        for (var type = FrameType.Headers; ; type = FrameType.Continuation, flags = FrameFlags.None)
        {
            var part = rest[..Math.Min(rest.Length, MaxFrameBytes)];
            rest = rest[part.Length..];
            WriteHeader(output, part.Length, type, rest.IsEmpty ? flags | FrameFlags.EndHeaders : flags, streamId);
            output.Write(part);
            if (rest.IsEmpty)
                return;
        }
    }

    private static void WriteHeader(IBufferWriter<byte> output, int length, FrameType type, FrameFlags flags, int streamId)
    {
        new FrameHeader(length, type, flags, streamId).Write(output.GetSpan(FrameHeader.Size));
        output.Advance(FrameHeader.Size);
    }
}
