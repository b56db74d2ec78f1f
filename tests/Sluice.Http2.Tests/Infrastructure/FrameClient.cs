using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Sluice.Http2.Connection;

namespace Sluice.Http2.Tests;

/// <summary>A received frame.</summary>
internal sealed record Frame(FrameType Type, FrameFlags Flags, int StreamId, byte[] Payload)
{
    public int Number(int at = 0) => BinaryPrimitives.ReadInt32BigEndian(Payload.AsSpan(at));

    public bool EndsStream => Type is FrameType.Data or FrameType.Headers && (Flags & FrameFlags.EndStream) != 0;
}

/// <summary>A client that says exactly what a test wants, right or wrong, and shows every frame that comes back.</summary>
internal sealed class FrameClient : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly TcpClient _socket = new() { NoDelay = true };
    private NetworkStream _stream = null!;

    public static byte[] Preface => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray();

    /// <summary>Connects and, unless told otherwise, completes the handshake.</summary>
    public static async Task<FrameClient> ConnectAsync(TestServer server, bool handshake = true, params (int Id, uint Value)[] settings)
    {
        var client = new FrameClient();
        await client._socket.ConnectAsync("127.0.0.1", server.Port);
        client._stream = client._socket.GetStream();
        if (!handshake)
            return client;
        await client.WriteAsync(Preface);
        await client.SettingsAsync(settings);
        await client.NextAsync(frame => frame.Type == FrameType.Settings && (frame.Flags & FrameFlags.Ack) != 0);
        return client;
    }

    public static byte[] Encode(FrameType type, FrameFlags flags, int streamId, ReadOnlySpan<byte> payload)
    {
        var bytes = new byte[FrameHeader.Size + payload.Length];
        new FrameHeader(payload.Length, type, flags, streamId).Write(bytes);
        payload.CopyTo(bytes.AsSpan(FrameHeader.Size));
        return bytes;
    }

    /// <summary>A header block of literals that change no table.</summary>
    public static byte[] Block(params (string Name, string Value)[] fields)
    {
        using var block = new MemoryStream();
        foreach (var (name, value) in fields)
        {
            block.WriteByte(0);
            Text(name);
            Text(value);
        }

        return block.ToArray();

        void Text(string text)
        {
            if (text.Length < 127)
            {
                block.WriteByte((byte)text.Length);
            }
            else
            {
                block.WriteByte(127);
                var rest = text.Length - 127;
                for (; rest >= 128; rest >>= 7)
                    block.WriteByte((byte)(rest | 0x80));
                block.WriteByte((byte)rest);
            }

            block.Write(Encoding.Latin1.GetBytes(text));
        }
    }

    public static byte[] Request(string path, params (string, string)[] more) => Block(
    [
        (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test"), ("content-type", "application/grpc"),
        ("te", "trailers"), .. more,
    ]);

    public static byte[] Message(byte[] message)
    {
        var bytes = new byte[5 + message.Length];
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(1), message.Length);
        message.CopyTo(bytes, 5);
        return bytes;
    }

    public async Task WriteAsync(byte[] bytes) => await _stream.WriteAsync(bytes);

    public Task SendAsync(FrameType type, FrameFlags flags, int streamId, params byte[] payload) =>
        WriteAsync(Encode(type, flags, streamId, payload));

    public Task SettingsAsync(params (int Id, uint Value)[] settings)
    {
        var payload = new byte[settings.Length * 6];
        for (var i = 0; i < settings.Length; i++)
        {
            BinaryPrimitives.WriteUInt16BigEndian(payload.AsSpan(i * 6), (ushort)settings[i].Id);
            BinaryPrimitives.WriteUInt32BigEndian(payload.AsSpan((i * 6) + 2), settings[i].Value);
        }

        return SendAsync(FrameType.Settings, FrameFlags.None, 0, payload);
    }

    public Task HeadersAsync(int streamId, string path, FrameFlags more = FrameFlags.None) =>
        SendAsync(FrameType.Headers, FrameFlags.EndHeaders | more, streamId, Request(path));

    public Task WindowAsync(int streamId, int increment)
    {
        var payload = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(payload, increment);
        return SendAsync(FrameType.WindowUpdate, FrameFlags.None, streamId, payload);
    }

    /// <summary>Sends a whole unary call.</summary>
    public async Task CallAsync(int streamId, string path, byte[] message)
    {
        await HeadersAsync(streamId, path);
        await SendAsync(FrameType.Data, FrameFlags.EndStream, streamId, Message(message));
    }

    /// <summary>Reads the next frame; null at the end of the connection.</summary>
    public async Task<Frame?> ReadAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        var head = new byte[FrameHeader.Size];
        try
        {
            await _stream.ReadExactlyAsync(head, patience.Token);
            var header = FrameHeader.Read(head);
            var payload = new byte[header.Length];
            await _stream.ReadExactlyAsync(payload, patience.Token);
            return new Frame(header.Type, header.Flags, header.StreamId, payload);
        }
        catch (Exception error) when (error is IOException or EndOfStreamException)
        {
            return null;
        }
    }

    /// <summary>Reads until a frame fits.</summary>
    public async Task<Frame> NextAsync(Func<Frame, bool> fits)
    {
        while (await ReadAsync() is { } frame)
        {
            if (fits(frame))
                return frame;
        }

        throw new EndOfStreamException("the server closed the connection before the frame came");
    }

    /// <summary>Reads until the end of a stream and returns the bytes of its one message.</summary>
    public async Task<byte[]> MessageAsync(int streamId)
    {
        using var body = new MemoryStream();
        while (true)
        {
            var frame = await NextAsync(f => f.StreamId == streamId);
            Assert.NotEqual(FrameType.RstStream, frame.Type);
            if (frame.Type == FrameType.Data)
                body.Write(frame.Payload);
            if (!frame.EndsStream)
                continue;
            var bytes = body.ToArray();
            Assert.Equal(bytes.Length - 5, BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(1)));
            return bytes[5..];
        }
    }

    /// <summary>Expects GOAWAY with one of the codes, or a closed connection without any word.</summary>
    public async Task ExpectConnectionErrorAsync(params Http2ErrorCode[] codes)
    {
        while (await ReadAsync() is { } frame)
        {
            if (frame.Type != FrameType.GoAway)
                continue;
            Assert.Contains((Http2ErrorCode)frame.Number(4), codes);
            return;
        }
    }

    /// <summary>Expects RST_STREAM with one of the codes; a whole connection may be ended instead (RFC 9113 §5.4).</summary>
    public async Task ExpectStreamErrorAsync(int streamId, params Http2ErrorCode[] codes)
    {
        var frame = await NextAsync(f =>
            (f.Type == FrameType.RstStream && f.StreamId == streamId) || f.Type == FrameType.GoAway);
        Assert.Contains((Http2ErrorCode)frame.Number(frame.Type == FrameType.GoAway ? 4 : 0), codes);
    }

    /// <summary>Makes sure that the connection still serves.</summary>
    public async Task ExpectAliveAsync(int streamId)
    {
        await CallAsync(streamId, TestServer.Echo, "alive"u8.ToArray());
        Assert.Equal("alive"u8.ToArray(), await MessageAsync(streamId));
    }

    /// <summary>Waits for the server's end of the connection.</summary>
    public async Task ExpectClosedAsync()
    {
        while (await ReadAsync() is not null)
        {
        }
    }

    public ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }
}
