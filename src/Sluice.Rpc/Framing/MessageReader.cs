using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Sluice.Inference;
using Sluice.Rpc.Transport;
using Sluice.Tensors;

namespace Sluice.Rpc.Framing;

/// <summary>Finds where bulk data starts in a message whose beginning is known.</summary>
/// <param name="head">The message's first bytes.</param>
/// <returns>Offset of the data that should lie aligned, or 0.</returns>
public delegate int BulkOffset(in ReadOnlySequence<byte> head);

/// <summary>Reads length-prefixed messages from a stream's body.</summary>
/// <remarks>
/// <para>Grammar: <c>message := compressed(1 byte) length(4 bytes, big-endian) payload</c>.</para>
/// <para>A small message is lent in place. A large one is landed in one native buffer as it arrives, so that the transport's
/// small blocks are free again at once; the buffer is filled from a place that leaves bulk data 64-byte aligned. It is rented
/// only after its length passed the limit and the first part of it is really there.</para>
/// <para><b>Threads.</b> One reader at a time.</para>
/// </remarks>
public sealed class MessageReader
{
    private const int PrefixLength = 5;
    private const int SmallestLanding = 1024 * 1024;
    private const int LandingGrowth = 16;

    private readonly TensorBufferPool _pool;
    private readonly RpcOptions _options;
    private IRpcExchange _stream = null!;
    private PipeReader _body = null!;

    /// <summary>Creates a reader to be used for one stream after the other.</summary>
    public MessageReader(TensorBufferPool pool, RpcOptions options)
    {
        _pool = pool;
        _options = options;
    }

    /// <summary>Begins a new stream.</summary>
    public void Begin(IRpcExchange stream)
    {
        _stream = stream;
        _body = stream.Body;
    }

    /// <summary>Reads the next message of a stream of messages.</summary>
    /// <param name="mustLand">Copy small messages too, so that the stream can be read on while this one is in use.</param>
    /// <param name="bulkOffset">Where bulk data starts; null = does not matter.</param>
    /// <returns>The message, or null at the end of the stream, also when the reading was ended on this side.</returns>
    /// <exception cref="InferenceException">The frame is cut off, too large, or compressed in an unknown way.</exception>
    [AsyncMethodBuilder(typeof(WaitingMethodBuilder<>))]
    public async ValueTask<MessageLease?> ReadAsync(bool mustLand, BulkOffset? bulkOffset)
    {
        while (true)
        {
            if (!_body.TryRead(out var result))
                result = await _body.ReadAsync().ConfigureAwait(false);
            var buffer = result.Buffer;
            if (result.IsCanceled)
            {
                _body.AdvanceTo(buffer.Start);
                return null;
            }

            if (buffer.Length >= PrefixLength)
            {
                var length = ReadPrefix(in buffer, out var isCompressed);
                var isWhole = buffer.Length - PrefixLength >= length;
                if (isWhole && isCompressed)
                {
                    await LeaveSharedThreadAsync();
                    return Decompress(buffer.Slice(PrefixLength, length));
                }

                if (isWhole && !mustLand)
                    return new MessageLease(buffer.Slice(PrefixLength, length), _body);
                if (isWhole || (length > _options.LandingThresholdBytes && buffer.Length >= _options.LandingThresholdBytes))
                {
                    var landed = await LandAsync(buffer, length, isCompressed ? null : bulkOffset).ConfigureAwait(false);
                    if (!isCompressed)
                        return landed;
                    await LeaveSharedThreadAsync();
                    return Decompress(landed);
                }
            }

            if (result.IsCompleted)
            {
                if (buffer.IsEmpty)
                    return null;
                _body.AdvanceTo(buffer.End);
                throw new InferenceException(
                    InferenceCode.InvalidArgument, $"the stream ended within a message, after {buffer.Length} bytes of its frame");
            }

            _body.AdvanceTo(buffer.Start, buffer.End);
        }
    }

    /// <summary>Reads the only message of a call and makes sure that it is the only one.</summary>
    /// <exception cref="InferenceException">There is none, or more than one.</exception>
    [AsyncMethodBuilder(typeof(WaitingMethodBuilder<>))]
    public async ValueTask<MessageLease> ReadSingleAsync(BulkOffset? bulkOffset)
    {
        while (true)
        {
            if (!_body.TryRead(out var result))
                result = await _body.ReadAsync().ConfigureAwait(false);
            var buffer = result.Buffer;
            if (buffer.Length >= PrefixLength)
            {
                var length = ReadPrefix(in buffer, out var isCompressed);
                if (isCompressed || length > _options.LandingThresholdBytes)
                {
                    // Not the common case: hand the bytes back and go the general way.
                    _body.AdvanceTo(buffer.Start);
                    return await ReadSingleLandedAsync(bulkOffset).ConfigureAwait(false);
                }

                if (buffer.Length - PrefixLength > length)
                    throw MoreThanOne(buffer.End);
                if (result.IsCompleted && buffer.Length - PrefixLength == length)
                    return new MessageLease(buffer.Slice(PrefixLength), _body);
            }

            if (result.IsCompleted)
            {
                _body.AdvanceTo(buffer.End);
                throw new InferenceException(
                    buffer.IsEmpty ? InferenceCode.Unimplemented : InferenceCode.InvalidArgument,
                    buffer.IsEmpty
                        ? "the call ended without a request message"
                        : $"the stream ended within a message, after {buffer.Length} bytes of its frame");
            }

            _body.AdvanceTo(buffer.Start, buffer.End);
        }
    }

    [AsyncMethodBuilder(typeof(WaitingMethodBuilder<>))]
    private async ValueTask<MessageLease> ReadSingleLandedAsync(BulkOffset? bulkOffset)
    {
        var lease = await ReadAsync(mustLand: true, bulkOffset).ConfigureAwait(false);
        try
        {
            while (true)
            {
                var result = await _body.ReadAsync().ConfigureAwait(false);
                if (!result.Buffer.IsEmpty)
                    throw MoreThanOne(result.Buffer.End);
                _body.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted)
                    return lease!.Value;
            }
        }
        catch
        {
            lease?.Dispose();
            throw;
        }
    }

    private InferenceException MoreThanOne(SequencePosition end)
    {
        _body.AdvanceTo(end);
        return new InferenceException(InferenceCode.Unimplemented, "the call takes one request message, and more than one came");
    }

    private int ReadPrefix(in ReadOnlySequence<byte> buffer, out bool isCompressed)
    {
        Span<byte> prefix = stackalloc byte[PrefixLength];
        if (buffer.FirstSpan.Length >= PrefixLength)
            buffer.FirstSpan[..PrefixLength].CopyTo(prefix);
        else
            buffer.Slice(0, PrefixLength).CopyTo(prefix);
        var flag = prefix[0];
        var length = BinaryPrimitives.ReadUInt32BigEndian(prefix[1..]);
        if (flag > 1)
        {
            _body.AdvanceTo(buffer.End);
            throw new InferenceException(
                InferenceCode.Internal, $"the message's compression flag is {flag}; only 0 and 1 are defined");
        }

        if (length > (uint)_options.MaxReceiveMessageBytes)
        {
            _body.AdvanceTo(buffer.End);
            throw new InferenceException(
                InferenceCode.ResourceExhausted,
                $"the message of {length} bytes is larger than the limit of {_options.MaxReceiveMessageBytes} bytes");
        }

        isCompressed = flag == 1;
        return (int)length;
    }

    /// <summary>Collects a message in one native buffer.</summary>
    /// <remarks>The buffer grows sixteenfold as bytes really arrive, so a peer can reserve no more than sixteen times what it
    /// has sent; a message up to 1 MiB gets its buffer at once.</remarks>
    [AsyncMethodBuilder(typeof(WaitingMethodBuilder<>))]
    private async ValueTask<MessageLease> LandAsync(ReadOnlySequence<byte> buffer, int length, BulkOffset? bulkOffset)
    {
        var head = buffer.Slice(PrefixLength);
        if (head.Length > length)
            head = head.Slice(0, length);
        var start = -(bulkOffset?.Invoke(in head) ?? 0) & (TensorBufferPool.Alignment - 1);
        var arrived = (int)head.Length;
        if (!TryRentLanding(start, length, arrived, out var landed))
        {
            _body.AdvanceTo(buffer.End);
            throw DoesNotFit(length);
        }

        try
        {
            head.CopyTo(landed.GetSpan()[start..]);
            _body.AdvanceTo(head.End);
            while (arrived < length)
            {
                if (start + arrived == landed.Length)
                    landed = GrowLanding(landed, start, length, arrived);
                if (!await _stream.FillAsync(landed.Memory[(start + arrived)..]).ConfigureAwait(false))
                    throw new InferenceException(
                        InferenceCode.InvalidArgument, $"the stream ended within a message of {length} bytes");
                arrived = landed.Length - start;
            }

            return new MessageLease(landed, start, length);
        }
        catch
        {
            landed.Dispose();
            throw;
        }
    }

    private TensorBuffer GrowLanding(TensorBuffer landed, int start, int length, int arrived)
    {
        if (!TryRentLanding(start, length, arrived, out var larger))
            throw DoesNotFit(length);
        landed.GetSpan().CopyTo(larger.GetSpan());
        landed.Dispose();
        return larger;
    }

    private bool TryRentLanding(int start, int length, int arrived, [NotNullWhen(true)] out TensorBuffer? landed)
    {
        landed = null;
        var capacity = Math.Min(length, Math.Max(SmallestLanding, (long)arrived * LandingGrowth));
        return start + capacity <= int.MaxValue && _pool.TryRent((int)(start + capacity), out landed);
    }

    private InferenceException DoesNotFit(int length) => new(
        InferenceCode.ResourceExhausted,
        $"the message of {length} bytes does not fit the server's tensor memory now: {_pool.RentedBytes} of " +
        $"{_pool.MaxBytes} bytes are in use");

    /// <summary>A small message may unpack to a very large one, which other connections must not wait for.</summary>
    private ConfiguredTaskAwaitable LeaveSharedThreadAsync() => Task.CompletedTask.ConfigureAwait(
        _stream.IsOnSharedThread ? ConfigureAwaitOptions.ForceYielding : ConfigureAwaitOptions.None);

    private MessageLease Decompress(ReadOnlySequence<byte> payload)
    {
        try
        {
            return Decompressed(in payload);
        }
        finally
        {
            _body.AdvanceTo(payload.End);
        }
    }

    private MessageLease Decompress(MessageLease landed)
    {
        using (landed)
            return Decompressed(landed.Payload);
    }

    private MessageLease Decompressed(in ReadOnlySequence<byte> payload)
    {
        var encoding = _stream.RequestHeader("grpc-encoding");
        var message = MessageCompression.Decompress(in payload, encoding, _pool, _options.MaxReceiveMessageBytes);
        return new MessageLease(message, 0, message.Length);
    }
}
