using System.Runtime.CompilerServices;
using Sluice.Client.Calls;
using Sluice.Client.Framing;
using Sluice.Protocol.Codec;

namespace Sluice.Client;

/// <summary>A <c>ModelStreamInfer</c> call: requests and answers flow independently.</summary>
/// <remarks>
/// <para>Answers of ordinary models come in the requests' order. A decoupled model answers a request any number of times, and
/// its answers come between the others: the id tells whose they are, and parameter <c>triton_final_response</c> the last one,
/// for which a request may have to ask (<c>triton_enable_empty_final_response</c>).</para>
/// <para>A request that fails is answered by a result with an <see cref="InferResult.Error"/>; the stream goes on.</para>
/// <para><b>Ownership.</b> Dispose once; a stream that has not ended is cancelled.</para>
/// <para><b>Threads.</b> One writer and one reader at a time, at the same time.</para>
/// </remarks>
public sealed class InferStreamCall : IAsyncDisposable
{
    private readonly DuplexCall _call;

    internal InferStreamCall(DuplexCall call) => _call = call;

    /// <summary>Sends a request; completes when the transport has taken it.</summary>
    /// <exception cref="SluiceException">The stream has failed.</exception>
    public ValueTask WriteAsync(InferRequestMessage request) => _call.WriteAsync(new OutgoingInfer(request));

    /// <summary>Says that there are no more requests.</summary>
    public void Complete() => _call.Complete();

    /// <summary>Reads the next answer; null when the stream has ended well.</summary>
    /// <returns>The answer; the caller disposes it.</returns>
    /// <exception cref="SluiceException">The stream has failed.</exception>
    public async ValueTask<InferResult?> ReadAsync()
    {
        var message = await _call.ReadAsync().ConfigureAwait(false);
        return message is null ? null : InferResult.Parse(message, isOfStream: true);
    }

    /// <summary>Reads until the stream ends; whoever enumerates disposes each answer.</summary>
    /// <exception cref="SluiceException">The stream has failed.</exception>
    public async IAsyncEnumerable<InferResult> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (await ReadAsync().AsTask().WaitAsync(cancellationToken).ConfigureAwait(false) is { } result)
            yield return result;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _call.DisposeAsync();
}
