using Sluice.Client.Framing;

namespace Sluice.Client.Calls;

/// <summary>A call with any number of messages each way.</summary>
/// <remarks>
/// <para><b>Ownership.</b> Dispose once; a call that has not ended is cancelled.</para>
/// <para><b>Threads.</b> One writer and one reader at a time, at the same time.</para>
/// </remarks>
internal sealed class DuplexCall : IAsyncDisposable
{
    private readonly RpcChannel _channel;
    private readonly CallOptions _call;
    private readonly CallDeadline _deadline;
    private readonly CancellationTokenSource _abort;
    private readonly DuplexContent _content = new();
    private readonly Task<HttpResponseMessage> _response;
    private readonly bool _isCompressed;
    private FrameReader? _reader;
    private bool _hasEnded;

    public DuplexCall(RpcChannel channel, string path, CallOptions call, CancellationToken cancellationToken)
    {
        _channel = channel;
        _call = call;
        _abort = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _deadline = channel.Begin(call, _abort.Token);
        _isCompressed = channel.IsCompressed(call);
        _response = SendAsync(path);
    }

    /// <summary>Sends one message; completes when the transport has taken it.</summary>
    public async ValueTask WriteAsync(OutgoingMessage message)
    {
        try
        {
            var body = await _content.Opened.WaitAsync(_deadline.Token).ConfigureAwait(false);
            await FrameWriter.WriteAsync(body, message, _isCompressed, _deadline.Token).ConfigureAwait(false);
            await body.FlushAsync(_deadline.Token).ConfigureAwait(false);
        }
        catch (Exception error) when (error is not SluiceException)
        {
            throw RpcFailure.From(error, _deadline);
        }
    }

    /// <summary>Says that nothing more will be sent.</summary>
    public void Complete() => _content.Complete();

    /// <summary>Reads the next message.</summary>
    /// <returns>The message, which the caller disposes; null when the call has ended well.</returns>
    public async ValueTask<ReceivedMessage?> ReadAsync()
    {
        if (_hasEnded)
            return null;
        try
        {
            var response = await _response.ConfigureAwait(false);
            _reader ??= await _channel.OpenBodyAsync(response, _call, _deadline).ConfigureAwait(false);
            var message = await RpcChannel.ReadAsync(_reader, response, _call, _deadline).ConfigureAwait(false);
            _hasEnded = message is null;
            return message;
        }
        catch (Exception error)
        {
            _hasEnded = true;
            if (error is SluiceException)
                throw;
            throw RpcFailure.From(error, _deadline);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_hasEnded)
            await _abort.CancelAsync().ConfigureAwait(false);
        _content.Abandon(new ObjectDisposedException(nameof(DuplexCall)));
        try
        {
            (await _response.ConfigureAwait(false)).Dispose();
        }
        catch (Exception error) when (error is HttpRequestException or OperationCanceledException or IOException)
        {
            // Whoever reads has been told.
        }

        _content.Dispose();
        _deadline.Dispose();
        _abort.Dispose();
    }

    private async Task<HttpResponseMessage> SendAsync(string path)
    {
        try
        {
            return await _channel.SendAsync(path, _content, _call, _isCompressed, _deadline).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            _content.Abandon(error);
            throw;
        }
    }
}
