using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using Google.Protobuf;
using Sluice.Inference;
using Sluice.Protocol.Codec;

namespace Sluice.Client.Framing;

/// <summary>Something that can be sent as one message.</summary>
internal abstract class OutgoingMessage
{
    /// <summary>The bytes that stand in one piece: all of the message, or its head.</summary>
    public abstract void WriteHead(IBufferWriter<byte> output);

    public abstract long Measure();

    /// <summary>What follows the head, piece by piece; false when there is no such piece.</summary>
    public virtual bool TryGetTail(int index, IBufferWriter<byte> pieceHead, out ReadOnlyMemory<byte> piece)
    {
        piece = default;
        return false;
    }
}

/// <summary>A message of a generated class.</summary>
internal sealed class OutgoingGenerated(IMessage message) : OutgoingMessage
{
    public override long Measure() => message.CalculateSize();

    public override void WriteHead(IBufferWriter<byte> output) => message.WriteTo(output);
}

/// <summary>An inference request; large tensors are sent from where they lie.</summary>
internal sealed class OutgoingInfer(InferRequestMessage request) : OutgoingMessage
{
    // Below this one copy is cheaper than several writes.
    private const int WholeLimit = 32 * 1024;

    private readonly long _length = InferRequestWriter.Measure(request);

    private bool IsWhole => request.UsesTypedContents || _length <= WholeLimit;

    public override long Measure() => _length;

    public override void WriteHead(IBufferWriter<byte> output)
    {
        if (IsWhole)
            InferRequestWriter.Write(output, request);
        else
            InferRequestWriter.WriteHead(output, request);
    }

    public override bool TryGetTail(int index, IBufferWriter<byte> pieceHead, out ReadOnlyMemory<byte> piece)
    {
        if (IsWhole || index >= request.Inputs.Count)
            return base.TryGetTail(index, pieceHead, out piece);
        piece = request.Inputs[index].Data;
        InferRequestWriter.WriteRawHead(pieceHead, piece.Length);
        return true;
    }
}

/// <summary>Writes length-prefixed messages to a request's body.</summary>
internal static class FrameWriter
{
    private const int SmallBuffer = 1024;

    /// <summary>Writes one message; the caller flushes.</summary>
    public static async ValueTask WriteAsync(
        Stream body, OutgoingMessage message, bool isCompressed, CancellationToken cancellationToken)
    {
        var length = message.Measure();
        if (length > int.MaxValue)
            throw new SluiceException(
                InferenceCode.ResourceExhausted, $"a request of {length} bytes is larger than gRPC's limit of {int.MaxValue} bytes");
        using var buffer = new PooledWriter(SmallBuffer);
        WritePrefix(buffer, 0, (int)length);
        if (isCompressed)
        {
            await WriteCompressedAsync(body, message, buffer, cancellationToken).ConfigureAwait(false);
            return;
        }

        message.WriteHead(buffer);
        for (var i = 0; message.TryGetTail(i, buffer, out var piece); i++)
        {
            await body.WriteAsync(buffer.Written, cancellationToken).ConfigureAwait(false);
            await body.WriteAsync(piece, cancellationToken).ConfigureAwait(false);
            buffer.Clear();
        }

        if (buffer.Written.Length > 0)
            await body.WriteAsync(buffer.Written, cancellationToken).ConfigureAwait(false);
    }

    private static async ValueTask WriteCompressedAsync(
        Stream body, OutgoingMessage message, PooledWriter buffer, CancellationToken cancellationToken)
    {
        using (var plain = new PooledWriter(SmallBuffer))
        using (var deflater = new GZipStream(new WriterStream(buffer), CompressionLevel.Fastest))
        {
            message.WriteHead(plain);
            deflater.Write(plain.Written.Span);
            plain.Clear();
            for (var i = 0; message.TryGetTail(i, plain, out var piece); i++)
            {
                deflater.Write(plain.Written.Span);
                deflater.Write(piece.Span);
                plain.Clear();
            }
        }

        buffer.WrittenSpan[0] = 1;
        BinaryPrimitives.WriteInt32BigEndian(buffer.WrittenSpan[1..], buffer.Written.Length - FrameReader.PrefixLength);
        await body.WriteAsync(buffer.Written, cancellationToken).ConfigureAwait(false);
    }

    private static void WritePrefix(PooledWriter buffer, byte flag, int length)
    {
        var prefix = buffer.GetSpan(FrameReader.PrefixLength);
        prefix[0] = flag;
        BinaryPrimitives.WriteInt32BigEndian(prefix[1..], length);
        buffer.Advance(FrameReader.PrefixLength);
    }

    /// <summary>Writes a stream's bytes to a buffer.</summary>
    private sealed class WriterStream(PooledWriter target) : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer) => target.Write(buffer);

        public override void Write(byte[] buffer, int offset, int count) => target.Write(buffer.AsSpan(offset, count));
    }
}
