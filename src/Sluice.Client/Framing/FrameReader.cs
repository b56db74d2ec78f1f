using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using Sluice.Inference;

namespace Sluice.Client.Framing;

/// <summary>Reads length-prefixed messages from a response's body.</summary>
/// <remarks>Grammar: <c>message := compressed(1 byte) length(4 bytes, big-endian) payload</c>.</remarks>
internal sealed class FrameReader(Stream body, string? encoding, int maxBytes)
{
    public const int PrefixLength = 5;

    // A length is only a claim: large messages get their memory as they arrive.
    private const int FirstPiece = 16 * 1024 * 1024;

    private readonly byte[] _prefix = new byte[PrefixLength];

    /// <summary>Reads the next message.</summary>
    /// <returns>The message, which the caller disposes; null at the end of the stream.</returns>
    /// <exception cref="SluiceException">The frame is cut off, too large, or compressed in an unknown way.</exception>
    public async ValueTask<ReceivedMessage?> ReadAsync(CancellationToken cancellationToken)
    {
        var read = await body.ReadAtLeastAsync(_prefix, PrefixLength, throwOnEndOfStream: false, cancellationToken)
            .ConfigureAwait(false);
        if (read == 0)
            return null;
        if (read < PrefixLength)
            throw new SluiceException(InferenceCode.Internal, "the response ended within the head of a message");
        var length = BinaryPrimitives.ReadUInt32BigEndian(_prefix.AsSpan(1));
        if (_prefix[0] > 1)
            throw new SluiceException(InferenceCode.Internal, $"a message's compression flag is {_prefix[0]}");
        if (length > (uint)maxBytes)
            throw TooLarge(length);
        var message = await ReadPayloadAsync((int)length, cancellationToken).ConfigureAwait(false);
        if (_prefix[0] == 0)
            return message;
        using (message)
            return Decompress(message.Memory);
    }

    private async ValueTask<ReceivedMessage> ReadPayloadAsync(int length, CancellationToken cancellationToken)
    {
        if (length == 0)
            return new ReceivedMessage([], 0);
        var buffer = ArrayPool<byte>.Shared.Rent(Math.Min(length, FirstPiece));
        var filled = 0;
        try
        {
            while (true)
            {
                var wanted = Math.Min(length, buffer.Length);
                filled += await body.ReadAtLeastAsync(
                    buffer.AsMemory(filled, wanted - filled), wanted - filled, throwOnEndOfStream: false, cancellationToken)
                    .ConfigureAwait(false);
                if (filled < wanted)
                    throw new SluiceException(InferenceCode.Internal, $"the response ended after {filled} of a message's {length} bytes");
                if (filled == length)
                    return new ReceivedMessage(buffer, length);
                var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(length, 4L * buffer.Length));
                buffer.AsSpan(0, filled).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(buffer);
                buffer = larger;
            }
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(buffer);
            throw;
        }
    }

    private ReceivedMessage Decompress(ReadOnlyMemory<byte> packed)
    {
        using var source = new MemoryStream(packed.ToArray(), writable: false);
        using Stream inflater = encoding switch
        {
            "gzip" => new GZipStream(source, CompressionMode.Decompress),
            "deflate" => new ZLibStream(source, CompressionMode.Decompress),
            _ => throw new SluiceException(
                InferenceCode.Internal, $"a message is compressed and the response's grpc-encoding is '{encoding}'"),
        };
        var buffer = ArrayPool<byte>.Shared.Rent(Math.Max(4096, packed.Length));
        var length = 0;
        try
        {
            while (true)
            {
                if (length > maxBytes)
                    throw TooLarge(length);
                if (length == buffer.Length)
                {
                    var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(Array.MaxLength, 2L * length));
                    buffer.AsSpan(0, length).CopyTo(larger);
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = larger;
                }

                var read = inflater.Read(buffer.AsSpan(length));
                if (read == 0)
                    return new ReceivedMessage(buffer, length);
                length += read;
            }
        }
        catch (Exception error)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            if (error is InvalidDataException)
                throw new SluiceException(InferenceCode.Internal, $"a message is no valid {encoding} data", error);
            throw;
        }
    }

    private SluiceException TooLarge(long length) => new(
        InferenceCode.ResourceExhausted, $"the message of {length} bytes is larger than the client's limit of {maxBytes} bytes");
}
