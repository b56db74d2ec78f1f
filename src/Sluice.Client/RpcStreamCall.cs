using System.Runtime.CompilerServices;
using Google.Protobuf;
using Sluice.Client.Calls;
using Sluice.Client.Framing;

namespace Sluice.Client;

/// <summary>A bidirectional stream of generated messages, for methods that the client has no own method for.</summary>
/// <remarks>
/// <para><b>Ownership.</b> Dispose once; a call that has not ended is cancelled.</para>
/// <para><b>Threads.</b> One writer and one reader at a time, at the same time.</para>
/// </remarks>
public sealed class RpcStreamCall<TRequest, TResponse> : IAsyncDisposable
    where TRequest : IMessage
    where TResponse : class, IMessage<TResponse>
{
    private readonly DuplexCall _call;
    private readonly MessageParser<TResponse> _parser;

    internal RpcStreamCall(DuplexCall call, MessageParser<TResponse> parser)
    {
        _call = call;
        _parser = parser;
    }

    /// <summary>Sends a message.</summary>
    /// <exception cref="SluiceException">The call has failed.</exception>
    public ValueTask WriteAsync(TRequest message) => _call.WriteAsync(new OutgoingGenerated(message));

    /// <summary>Says that nothing more will be sent.</summary>
    public void Complete() => _call.Complete();

    /// <summary>Reads the next message; null when the call has ended well.</summary>
    /// <exception cref="SluiceException">The call has failed.</exception>
    public async ValueTask<TResponse?> ReadAsync()
    {
        using var message = await _call.ReadAsync().ConfigureAwait(false);
        return message is null ? null : _parser.ParseFrom(message.Memory.Span);
    }

    /// <summary>Reads until the call ends.</summary>
    /// <exception cref="SluiceException">The call has failed.</exception>
    public async IAsyncEnumerable<TResponse> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (await ReadAsync().AsTask().WaitAsync(cancellationToken).ConfigureAwait(false) is { } message)
            yield return message;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _call.DisposeAsync();
}
