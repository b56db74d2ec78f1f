using System.Buffers.Binary;

namespace Sluice.Http2.Connection;

/// <summary>SETTINGS both ways (RFC 9113 §6.5).</summary>
internal static class PeerSettings
{
    private const int HeaderTableSize = 1;
    private const int EnablePush = 2;
    private const int MaxConcurrentStreams = 3;
    private const int InitialWindowSize = 4;
    private const int MaxFrameSize = 5;
    private const int MaxHeaderListSize = 6;
    private const int EntryBytes = 6;

    /// <summary>Sends ours.</summary>
    public static void Announce(FrameSender sender, Http2Limits limits)
    {
        Span<byte> payload = stackalloc byte[4 * EntryBytes];
        Write(payload, MaxConcurrentStreams, limits.MaxStreams);
        Write(payload[EntryBytes..], InitialWindowSize, limits.StreamWindowBytes);
        Write(payload[(2 * EntryBytes)..], MaxFrameSize, limits.MaxFrameBytes);
        Write(payload[(3 * EntryBytes)..], MaxHeaderListSize, limits.MaxHeaderListBytes);
        sender.Control(FrameType.Settings, FrameFlags.None, 0, payload);
    }

    /// <summary>Takes the peer's.</summary>
    /// <param name="payload">A whole number of entries.</param>
    /// <param name="sender">Obeys them.</param>
    /// <param name="streams">Open streams, whose windows move with the initial one.</param>
    public static void Apply(
        ReadOnlySpan<byte> payload, FrameSender sender, Dictionary<int, Http2Stream>.ValueCollection streams)
    {
        if (payload.Length % EntryBytes != 0)
            throw new Http2ConnectionException(Http2ErrorCode.FrameSizeError, "a SETTINGS frame is no list of settings");
        for (; payload.Length > 0; payload = payload[EntryBytes..])
        {
            var value = BinaryPrimitives.ReadUInt32BigEndian(payload[2..]);
            switch (BinaryPrimitives.ReadUInt16BigEndian(payload))
            {
                case HeaderTableSize when value < 4096:
                    sender.ForgetTable();
                    break;
                case EnablePush when value > 1:
                    throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"ENABLE_PUSH is {value}");
                case InitialWindowSize:
                    if (value > int.MaxValue)
                        throw new Http2ConnectionException(Http2ErrorCode.FlowControlError, $"INITIAL_WINDOW_SIZE is {value}");
                    MoveWindows((int)value - (long)sender.InitialWindow, sender, streams);
                    sender.InitialWindow = (int)value;
                    break;
                case MaxFrameSize:
                    if (value is < 16384 or > 16777215)
                        throw new Http2ConnectionException(Http2ErrorCode.ProtocolError, $"MAX_FRAME_SIZE is {value}");
                    sender.MaxFrameBytes = (int)value;
                    break;
            }
        }
    }

    private static void MoveWindows(
        long difference, FrameSender sender, Dictionary<int, Http2Stream>.ValueCollection streams)
    {
        foreach (var stream in streams)
        {
            stream.SendWindow += difference;
            if (stream.SendWindow > int.MaxValue)
                throw new Http2ConnectionException(Http2ErrorCode.FlowControlError, "INITIAL_WINDOW_SIZE overflows a stream's window");
            sender.Enqueue(stream);
        }
    }

    private static void Write(Span<byte> span, short setting, int value)
    {
        BinaryPrimitives.WriteInt16BigEndian(span, setting);
        BinaryPrimitives.WriteInt32BigEndian(span[2..], value);
    }
}
