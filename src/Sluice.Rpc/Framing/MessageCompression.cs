using System.Buffers;
using System.IO.Compression;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Rpc.Framing;

/// <summary>The message encodings <c>identity</c>, <c>gzip</c> and <c>deflate</c> (zlib), with bounded output.</summary>
public static class MessageCompression
{
    /// <summary>Value of <c>grpc-accept-encoding</c>.</summary>
    public const string Accepted = "identity, gzip, deflate";

    private const int FirstGuess = 4;

    // Without it, .NET's streams take data that is cut off for its end.
    static MessageCompression() => AppContext.SetSwitch("System.IO.Compression.UseStrictValidation", true);

    /// <summary>Decompresses a message into a pooled buffer that grows as bytes really come out.</summary>
    /// <param name="payload">The compressed bytes.</param>
    /// <param name="encoding">Value of <c>grpc-encoding</c>.</param>
    /// <param name="pool">Where the buffer comes from.</param>
    /// <param name="maxBytes">Most bytes to come out.</param>
    /// <returns>The message; the caller disposes it.</returns>
    /// <exception cref="InferenceException">Unknown encoding, broken data, or more bytes than allowed.</exception>
    public static TensorBuffer Decompress(
        in ReadOnlySequence<byte> payload, string? encoding, TensorBufferPool pool, int maxBytes)
    {
        using var source = new SequenceStream(payload);
        using Stream inflater = encoding switch
        {
            "gzip" => new GZipStream(source, CompressionMode.Decompress),
            "deflate" => new ZLibStream(source, CompressionMode.Decompress),
            null or "identity" => throw new InferenceException(
                InferenceCode.Internal, "a message is marked as compressed but the call has no grpc-encoding"),
            _ => throw new InferenceException(
                InferenceCode.Unimplemented, $"grpc-encoding '{encoding}' is not supported; use one of: {Accepted}"),
        };

        // .NET's own clients compress an empty message to nothing at all, not even a header.
        if (payload.IsEmpty)
            return pool.Rent(0);
        var buffer = pool.Rent((int)Math.Min(maxBytes, Math.Max(4096, payload.Length * FirstGuess)));
        try
        {
            var length = 0;
            while (true)
            {
                if (length == buffer.Length)
                    buffer = Grow(buffer, pool, maxBytes);
                var read = length == buffer.Length ? inflater.ReadByte() : inflater.Read(buffer.GetSpan()[length..]);
                if (read <= 0 && length < buffer.Length)
                    break;
                if (length == buffer.Length)
                {
                    if (read < 0)
                        break;
                    throw new InferenceException(
                        InferenceCode.ResourceExhausted,
                        $"the message is larger than the limit of {maxBytes} bytes when decompressed");
                }

                length += read;
            }

            buffer.Shrink(length);
            return buffer;
        }
        catch (InvalidDataException error)
        {
            buffer.Dispose();
            throw new InferenceException(InferenceCode.InvalidArgument, $"the message is no valid {encoding} data", error);
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }

    /// <summary>Picks the response's encoding for a client.</summary>
    /// <param name="acceptEncoding">Value of <c>grpc-accept-encoding</c>.</param>
    /// <returns><c>gzip</c>, <c>deflate</c> or null for none.</returns>
    public static string? Negotiate(string? acceptEncoding)
    {
        if (acceptEncoding is null)
            return null;
        var names = acceptEncoding.Split(',', StringSplitOptions.TrimEntries);
        return names.Contains("gzip") ? "gzip" : names.Contains("deflate") ? "deflate" : null;
    }

    /// <summary>Compresses a message.</summary>
    /// <returns>The compressed bytes.</returns>
    public static ArraySegment<byte> Compress(ReadOnlySpan<byte> message, string encoding, CompressionLevel level)
    {
        using var target = new MemoryStream(Math.Max(64, message.Length / FirstGuess));
        using (Stream deflater = encoding == "gzip"
            ? new GZipStream(target, level, leaveOpen: true)
            : new ZLibStream(target, level, leaveOpen: true))
        {
            deflater.Write(message);
        }

        return new ArraySegment<byte>(target.GetBuffer(), 0, (int)target.Length);
    }

    private static TensorBuffer Grow(TensorBuffer buffer, TensorBufferPool pool, int maxBytes)
    {
        var length = (int)Math.Min(maxBytes, (long)buffer.Length * 2);
        if (length == buffer.Length)
            return buffer;
        var larger = pool.Rent(length);
        buffer.GetSpan().CopyTo(larger.GetSpan());
        buffer.Dispose();
        return larger;
    }

    /// <summary>Reads a sequence as a stream.</summary>
    private sealed class SequenceStream(ReadOnlySequence<byte> rest) : Stream
    {
        private ReadOnlySequence<byte> _rest = rest;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(Span<byte> buffer)
        {
            var count = (int)Math.Min(buffer.Length, _rest.Length);
            _rest.Slice(0, count).CopyTo(buffer);
            _rest = _rest.Slice(count);
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
