using System.Net;
using System.Net.Http.Headers;

namespace Sluice.Client.Framing;

/// <summary>A request's body that holds one message.</summary>
internal sealed class UnaryContent : HttpContent
{
    private readonly OutgoingMessage _message;
    private readonly bool _isCompressed;

    public UnaryContent(OutgoingMessage message, bool isCompressed)
    {
        _message = message;
        _isCompressed = isCompressed;
        Headers.ContentType = RpcContent.Type;
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override Task SerializeToStreamAsync(
        Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
        FrameWriter.WriteAsync(stream, _message, _isCompressed, cancellationToken).AsTask();

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}

/// <summary>A request's body that stays open for messages to come.</summary>
internal sealed class DuplexContent : HttpContent
{
    private readonly TaskCompletionSource<Stream> _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _completed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public DuplexContent() => Headers.ContentType = RpcContent.Type;

    /// <summary>The body, once it can be written to; fails when the call does before.</summary>
    public Task<Stream> Opened => _opened.Task;

    /// <summary>Ends the body.</summary>
    public void Complete() => _completed.TrySetResult();

    /// <summary>Lets go of whoever waits for the body.</summary>
    public void Abandon(Exception error)
    {
        _opened.TrySetException(error);
        _ = _opened.Task.Exception;
        _completed.TrySetResult();
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(
        Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        try
        {
            // The headers must leave now: the server may speak first.
            await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            // The server may even have ended the call by now, which the response says.
            Abandon(error);
            throw;
        }

        _opened.TrySetResult(stream);
        await _completed.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}

/// <summary>What all bodies share.</summary>
internal static class RpcContent
{
    public static MediaTypeHeaderValue Type { get; } = new("application/grpc");
}
