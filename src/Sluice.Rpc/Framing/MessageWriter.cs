using System.Buffers;
using System.Buffers.Binary;
using Sluice.Inference;
using Sluice.Rpc.Transport;

namespace Sluice.Rpc.Framing;

/// <summary>Writes length-prefixed messages into a stream's output; nothing leaves before the caller flushes.</summary>
/// <remarks><b>Threads.</b> One writer at a time.</remarks>
public sealed class MessageWriter
{
    private const int PrefixLength = 5;

    private readonly RpcOptions _options;
    private IRpcExchange _stream = null!;
    private string? _encoding;

    /// <summary>Creates a writer to be used for one stream after the other.</summary>
    public MessageWriter(RpcOptions options) => _options = options;

    /// <summary>Writes a message's bytes.</summary>
    /// <param name="output">Where they go.</param>
    /// <param name="message">What to write.</param>
    public delegate void Body<in T>(IBufferWriter<byte> output, T message);

    /// <summary>True when this call's messages leave compressed.</summary>
    public bool IsCompressing => _encoding is not null;

    /// <summary>Begins a new stream.</summary>
    public void Begin(IRpcExchange stream)
    {
        _stream = stream;
        _encoding = null;
    }

    /// <summary>Compresses this call's messages when the client and the options allow it; before the first message.</summary>
    public void EnableCompression()
    {
        if (_options.ResponseCompression is null)
            return;
        _encoding = MessageCompression.Negotiate(_stream.RequestHeader("grpc-accept-encoding"));
        if (_encoding is not null)
            _stream.SetHeader("grpc-encoding", _encoding);
    }

    /// <summary>Writes one message.</summary>
    /// <param name="message">Handed to <paramref name="body"/>.</param>
    /// <param name="length">Bytes that <paramref name="body"/> writes.</param>
    /// <param name="body">Writes exactly that many.</param>
    /// <exception cref="InferenceException">The message is larger than gRPC can carry.</exception>
    public void Write<T>(T message, long length, Body<T> body)
    {
        // Nothing compresses to nothing, which other libraries take for data that is cut off.
        if (_encoding is not null && length > 0)
        {
            CheckLength(length);
            WriteCompressed(message, (int)length, body);
            return;
        }

        WritePrefix(length);
        body(_stream.Output, message);
    }

    /// <summary>Writes the frame of an uncompressed message whose bytes the caller writes itself.</summary>
    /// <exception cref="InferenceException">The message is larger than gRPC can carry.</exception>
    public void WritePrefix(long length)
    {
        CheckLength(length);
        WritePrefix(isCompressed: false, (int)length);
    }

    private void CheckLength(long length)
    {
        if (length > _options.MaxSendMessageBytes)
            throw InferenceException.Invalid(
                $"Response has byte size {length} which exceeds gRPC's byte size limit {_options.MaxSendMessageBytes}.");
    }

    private void WriteCompressed<T>(T message, int length, Body<T> body)
    {
        var plain = new ArrayBufferWriter<byte>(Math.Max(1, length));
        body(plain, message);
        var packed = MessageCompression.Compress(plain.WrittenSpan, _encoding!, _options.ResponseCompression!.Value);
        WritePrefix(isCompressed: true, packed.Count);
        _stream.Output.Write(packed);
    }

    private void WritePrefix(bool isCompressed, int length)
    {
        var prefix = _stream.Output.GetSpan(PrefixLength);
        prefix[0] = isCompressed ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteInt32BigEndian(prefix[1..], length);
        _stream.Output.Advance(PrefixLength);
    }
}
