namespace Sluice.Http2.Connection;

/// <summary>Puts a header block together from its HEADERS and CONTINUATION frames (RFC 9113 §4.3, §6.2 and §6.10).</summary>
/// <remarks>Bounds the number of frames and of bytes, which answers CVE-2024-27316. <b>Threads.</b> The connection's turn.</remarks>
internal sealed class HeaderBlock(Http2Limits limits)
{
    private byte[] _bytes = [];
    private int _length;
    private int _continuations;
    private bool _endsStream;

    /// <summary>Stream of the block that is under way; 0 = none.</summary>
    public int StreamId { get; private set; }

    /// <summary>Refuses frames that may not stand within a block.</summary>
    public void Check(FrameHeader header)
    {
        if (StreamId != 0 && (header.Type != FrameType.Continuation || header.StreamId != StreamId))
            throw new Http2ConnectionException(
                Http2ErrorCode.ProtocolError, $"a {header.Type} frame stands within the header block of stream {StreamId}");
    }

    /// <summary>Takes a HEADERS frame.</summary>
    /// <param name="header">Its header.</param>
    /// <param name="payload">Its payload, with padding and priority.</param>
    /// <param name="block">The whole block, when it is whole.</param>
    /// <returns>True when it is.</returns>
    public bool Begin(FrameHeader header, ReadOnlySpan<byte> payload, out ReadOnlySpan<byte> block)
    {
        var pad = 0;
        if (header.Has(FrameFlags.Padded))
        {
            if (payload.IsEmpty)
                throw new Http2ConnectionException(Http2ErrorCode.FrameSizeError, "a padded HEADERS frame has no pad length");
            pad = payload[0];
            payload = payload[1..];
        }

        if (header.Has(FrameFlags.Priority))
        {
            if (payload.Length < 5)
                throw new Http2ConnectionException(Http2ErrorCode.FrameSizeError, "a HEADERS frame is too short for its priority");
            payload = payload[5..];
        }

        if (pad > payload.Length)
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, "a HEADERS frame is all padding");
        block = payload[..^pad];
        if (header.Has(FrameFlags.EndHeaders))
            return true;
        StreamId = header.StreamId;
        _endsStream = header.Has(FrameFlags.EndStream);
        _length = 0;
        _continuations = 0;
        Append(block);
        return false;
    }

    /// <summary>Takes a CONTINUATION frame.</summary>
    /// <param name="header">Its header.</param>
    /// <param name="payload">Its payload.</param>
    /// <param name="block">The whole block, when it is whole.</param>
    /// <param name="endsStream">What its HEADERS frame said.</param>
    /// <returns>True when it is.</returns>
    public bool Continue(FrameHeader header, ReadOnlySpan<byte> payload, out ReadOnlySpan<byte> block, out bool endsStream)
    {
        if (StreamId == 0)
            throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, "a CONTINUATION frame continues nothing");
        if (++_continuations > limits.MaxContinuations)
            throw new Http2ConnectionException(
                Http2ErrorCode.EnhanceYourCalm, $"a header block has more than {limits.MaxContinuations} CONTINUATION frames");
        Append(payload);
        block = _bytes.AsSpan(0, _length);
        endsStream = _endsStream;
        if (!header.Has(FrameFlags.EndHeaders))
            return false;
        StreamId = 0;
        _bytes = [];
        return true;
    }

    private void Append(ReadOnlySpan<byte> fragment)
    {
        var length = _length + fragment.Length;
        if (length > limits.MaxHeaderListBytes)
            throw new Http2ConnectionException(
                Http2ErrorCode.EnhanceYourCalm, $"a header block is above the limit of {limits.MaxHeaderListBytes} bytes");
        if (length > _bytes.Length)
            Array.Resize(ref _bytes, Math.Max(length, Math.Min(limits.MaxHeaderListBytes, _bytes.Length * 2)));
        fragment.CopyTo(_bytes.AsSpan(_length));
        _length = length;
    }
}
