using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Google.Protobuf;
using Sluice.Protocol.Inference;
using Sluice.Server.Services;

namespace Sluice.Server.WarmUp;

/// <summary>Sends the same gRPC call again and again with prepared HTTP/2 frames; knows no more HTTP/2 than that takes.</summary>
internal sealed class GrpcWarmUpClient : IDisposable
{
    private const byte Data = 0;
    private const byte Headers = 1;
    private const byte Settings = 4;
    private const byte EndStream = 1;
    private const byte EndHeaders = 4;
    private const int FrameHeader = 9;

    private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly byte[] _call;
    private readonly int _dataAt;
    private readonly byte[] _received = new byte[64 * 1024];
    private int _receivedLength;
    private int _nextStream = 1;

    public GrpcWarmUpClient()
    {
        var headers = HeaderBlock();
        var message = Message();
        _dataAt = FrameHeader + headers.Length;
        _call = [.. Frame(Headers, EndHeaders, headers), .. Frame(Data, EndStream, message)];
    }

    public async Task ConnectAsync(IPEndPoint endPoint)
    {
        await _socket.ConnectAsync(endPoint).ConfigureAwait(false);
        byte[] largeWindow = [0, 4, 0x7F, 0xFF, 0xFF, 0xFF];
        byte[] moreForConnection = [0x7F, 0, 0, 0];
        byte[] start =
        [
            .. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, .. Frame(Settings, 0, largeWindow), .. Frame(8, 0, moreForConnection),
        ];
        await _socket.SendAsync(start).ConfigureAwait(false);
    }

    /// <summary>Sends calls at once and waits until all have been answered.</summary>
    public async Task CallAsync(int count)
    {
        var calls = new byte[_call.Length * count];
        for (var i = 0; i < count; i++)
        {
            var call = calls.AsSpan(i * _call.Length);
            _call.CopyTo(call);
            BinaryPrimitives.WriteInt32BigEndian(call[5..], _nextStream);
            BinaryPrimitives.WriteInt32BigEndian(call[(_dataAt + 5)..], _nextStream);
            _nextStream += 2;
        }

        await _socket.SendAsync(calls).ConfigureAwait(false);
        for (var ended = 0; ended < count;)
        {
            var read = await _socket.ReceiveAsync(_received.AsMemory(_receivedLength)).ConfigureAwait(false);
            if (read == 0)
                throw new IOException("the warm-up's connection was closed");
            _receivedLength += read;
            ended += CountEnded(out var acknowledge);
            if (acknowledge)
                await _socket.SendAsync(Frame(Settings, 1, [])).ConfigureAwait(false);
        }
    }

    public void Dispose() => _socket.Dispose();

    private int CountEnded(out bool acknowledge)
    {
        acknowledge = false;
        var (ended, at) = (0, 0);
        while (_receivedLength - at >= FrameHeader)
        {
            var frame = _received.AsSpan(at);
            var length = (frame[0] << 16) | (frame[1] << 8) | frame[2];
            if (_receivedLength - at < FrameHeader + length)
                break;
            if (frame[3] is Data or Headers && (frame[4] & EndStream) != 0)
                ended++;
            acknowledge |= frame[3] == Settings && (frame[4] & 1) == 0;
            at += FrameHeader + length;
        }

        _received.AsSpan(at, _receivedLength - at).CopyTo(_received);
        _receivedLength -= at;
        return ended;
    }

    private static byte[] Frame(byte type, byte flags, ReadOnlySpan<byte> payload) =>
    [
        (byte)(payload.Length >> 16), (byte)(payload.Length >> 8), (byte)payload.Length, type, flags, 0, 0, 0, 0, .. payload,
    ];

    private static byte[] HeaderBlock()
    {
        var block = new List<byte> { 0x83, 0x86 };
        AddHeader(block, ":path"u8, System.Text.Encoding.ASCII.GetBytes($"/{InferenceService.Name}/ModelInfer"));
        AddHeader(block, ":authority"u8, "localhost"u8);
        AddHeader(block, "content-type"u8, "application/grpc"u8);
        AddHeader(block, "te"u8, "trailers"u8);
        return [.. block];
    }

    /// <summary>A literal header that is not indexed (RFC 7541 §6.2.2).</summary>
    private static void AddHeader(List<byte> block, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        block.Add(0);
        block.Add((byte)name.Length);
        block.AddRange(name);
        block.Add((byte)value.Length);
        block.AddRange(value);
    }

    private static byte[] Message()
    {
        var request = new ModelInferRequest { ModelName = EchoModel.Settings.Name, Id = "1" };
        request.Inputs.Add(new ModelInferRequest.Types.InferInputTensor
        {
            Name = "INPUT0",
            Datatype = "FP32",
            Shape = { 1, 16 },
        });
        request.RawInputContents.Add(ByteString.CopyFrom(new byte[16 * sizeof(float)]));
        var body = request.ToByteArray();
        return [0, 0, 0, 0, (byte)body.Length, .. body];
    }
}
