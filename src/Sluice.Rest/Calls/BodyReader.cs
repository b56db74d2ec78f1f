using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Sluice.Inference;
using Sluice.Rest.Transport;
using Sluice.Rpc.Framing;
using Sluice.Tensors;

namespace Sluice.Rest.Calls;

/// <summary>Reads a request's whole body.</summary>
/// <remarks>
/// <para>A small body is lent in the transport's buffer. A larger one is landed in one native buffer, rented only when its
/// declared length passed the limit and a first part of it is there; a body of unknown length grows its buffer as bytes
/// come. Compressed bodies are decompressed into a buffer that grows likewise, so a bomb stops at the limit.</para>
/// </remarks>
internal static class BodyReader
{
    /// <summary>Value of the header that names the encodings a client may use.</summary>
    public const string Encodings = "gzip, deflate";

    private const string TooLargeMark = "Sluice.TooLarge";

    /// <summary>Tells whether reading failed because the body passes the limit.</summary>
    public static bool IsTooLarge(InferenceException error) => error.Data.Contains(TooLargeMark);

    /// <summary>Reads the body.</summary>
    /// <param name="exchange">The request.</param>
    /// <param name="options">The limits.</param>
    /// <param name="pool">Memory for what is landed.</param>
    /// <param name="alignAt">Offset that should lie at a multiple of 64 bytes when the body is landed.</param>
    /// <exception cref="InferenceException">The body is too large, cut off, or encoded in an unknown way.</exception>
    public static ValueTask<BodyLease> ReadAsync(
        IRestExchange exchange, RestListenOptions options, TensorBufferPool pool, int alignAt)
    {
        var encoding = exchange.RequestHeader("content-encoding");
        if (exchange.ContentLength > options.MaxInputBytes)
            throw TooLarge(exchange.ContentLength.Value, options);
        return encoding is null or "" or "identity"
            ? ReadPlainAsync(exchange, options, pool, alignAt)
            : ReadEncodedAsync(exchange, options, pool, encoding);
    }

    [AsyncMethodBuilder(typeof(WaitingMethodBuilder<>))]
    private static async ValueTask<BodyLease> ReadPlainAsync(
        IRestExchange exchange, RestListenOptions options, TensorBufferPool pool, int alignAt)
    {
        var body = exchange.Body;
        var declared = exchange.ContentLength;
        while (true)
        {
            if (!body.TryRead(out var result))
                result = await body.ReadAsync().ConfigureAwait(false);
            var buffer = result.Buffer;
            if (result.IsCompleted || buffer.Length == declared)
            {
                if (buffer.Length > options.LandingThresholdBytes)
                    return Land(buffer, options, pool, alignAt, body);
                return new BodyLease(in buffer, body);
            }

            if ((declared ?? buffer.Length) > options.LandingThresholdBytes && buffer.Length > 0)
            {
                return declared is { } length
                    ? await LandAsync(buffer, body, (int)length, pool, alignAt).ConfigureAwait(false)
                    : await GrowAsync(buffer, body, options, pool, alignAt).ConfigureAwait(false);
            }

            body.AdvanceTo(buffer.Start, buffer.End);
        }
    }

    private static async ValueTask<BodyLease> ReadEncodedAsync(
        IRestExchange exchange, RestListenOptions options, TensorBufferPool pool, string encoding)
    {
        if (encoding is not ("gzip" or "deflate"))
        {
            exchange.SetHeader("Accept-Encoding", Encodings);
            throw new InferenceException(
                InferenceCode.Unimplemented, $"Content-Encoding '{encoding}' is not supported; use one of: {Encodings}");
        }

        using var compressed = await ReadPlainAsync(exchange, options, pool, 0).ConfigureAwait(false);
        try
        {
            var bytes = MessageCompression.Decompress(
                compressed.Bytes, encoding, pool, (int)Math.Min(options.MaxInputBytes, Array.MaxLength));
            return new BodyLease(bytes, 0, bytes.Length);
        }
        catch (InferenceException error) when (error.Code == InferenceCode.ResourceExhausted)
        {
            throw TooLarge(null, options);
        }
    }

    /// <summary>Copies a body that is there as a whole, so that tensors in it lie aligned.</summary>
    private static BodyLease Land(
        ReadOnlySequence<byte> bytes, RestListenOptions options, TensorBufferPool pool, int alignAt, PipeReader body)
    {
        try
        {
            if (bytes.Length > options.MaxInputBytes)
                throw TooLarge(bytes.Length, options);
            var start = StartFor(alignAt);
            var landed = pool.Rent(start + (int)bytes.Length);
            bytes.CopyTo(landed.GetSpan()[start..]);
            return new BodyLease(landed, start, (int)bytes.Length);
        }
        finally
        {
            body.AdvanceTo(bytes.End);
        }
    }

    private static async ValueTask<BodyLease> LandAsync(
        ReadOnlySequence<byte> head, PipeReader body, int length, TensorBufferPool pool, int alignAt)
    {
        var start = StartFor(alignAt);
        TensorBuffer? landed = null;
        var isHeld = true;
        try
        {
            landed = pool.Rent(start + length);
            for (var filled = 0; ;)
            {
                head.CopyTo(landed.GetSpan()[(start + filled)..]);
                filled += (int)head.Length;
                if (filled == length)
                    return new BodyLease(landed, start, length);
                body.AdvanceTo(head.End);
                isHeld = false;
                var result = await body.ReadAsync().ConfigureAwait(false);
                isHeld = true;
                head = result.Buffer;
                if (result.IsCompleted && filled + head.Length < length)
                    throw InferenceException.Invalid($"the body ended after {filled + head.Length} of {length} bytes");
            }
        }
        catch
        {
            landed?.Dispose();
            throw;
        }
        finally
        {
            if (isHeld)
                body.AdvanceTo(head.End);
        }
    }

    private static async ValueTask<BodyLease> GrowAsync(
        ReadOnlySequence<byte> head, PipeReader body, RestListenOptions options, TensorBufferPool pool, int alignAt)
    {
        var start = StartFor(alignAt);
        TensorBuffer? landed = null;
        var isHeld = true;
        try
        {
            landed = pool.Rent(start + (2 * (int)head.Length));
            var isCompleted = false;
            for (var filled = 0; ;)
            {
                if (filled + head.Length > options.MaxInputBytes)
                    throw TooLarge(null, options);
                if (start + filled + head.Length > landed.Length)
                    landed = Enlarge(landed, start + filled, (int)head.Length, pool);
                head.CopyTo(landed.GetSpan()[(start + filled)..]);
                filled += (int)head.Length;
                if (isCompleted)
                    return new BodyLease(landed, start, filled);
                body.AdvanceTo(head.End);
                isHeld = false;
                var result = await body.ReadAsync().ConfigureAwait(false);
                isHeld = true;
                head = result.Buffer;
                isCompleted = result.IsCompleted;
            }
        }
        catch
        {
            landed?.Dispose();
            throw;
        }
        finally
        {
            if (isHeld)
                body.AdvanceTo(head.End);
        }
    }

    private static TensorBuffer Enlarge(TensorBuffer buffer, int filled, int more, TensorBufferPool pool)
    {
        var larger = pool.Rent((int)Math.Clamp(2L * buffer.Length, checked(filled + more), Array.MaxLength));
        buffer.GetSpan()[..filled].CopyTo(larger.GetSpan());
        buffer.Dispose();
        return larger;
    }

    private static int StartFor(int alignAt) => -alignAt & (TensorBufferPool.Alignment - 1);

    private static InferenceException TooLarge(long? length, RestListenOptions options)
    {
        var error = InferenceException.Invalid(
            $"the request's body{(length is { } n ? $" of {n} bytes" : "")} exceeds the maximum allowed input size of " +
            $"{options.MaxInputBytes} bytes. Use --http-max-input-size to increase the limit.");
        error.Data[TooLargeMark] = true;
        return error;
    }
}
