using Sluice.Inference;
using Sluice.Rest.Calls;
using Sluice.Rest.Json;

namespace Sluice.Rest.Generate;

/// <summary>Sends the responses of <c>generate_stream</c> as server-sent events, each as soon as it comes.</summary>
/// <remarks>A failure before any response is an ordinary error, and the end; after that it is an event like the others, since
/// the status has been sent.</remarks>
internal sealed class EventStreamSink(RestCall call) : IResponseSink
{
    private const string ContentType = "text/event-stream; charset=utf-8";

    private bool _hasBegun;
    private bool _isOver;

    public void Begin(InferRequest request)
    {
    }

    public ValueTask WriteAsync(InferRequest request, ResponseKind kind)
    {
        if (_isOver || kind == ResponseKind.EmptyFinal)
            return ValueTask.CompletedTask;
        if (!request.IsOk && !_hasBegun)
        {
            _isOver = true;
            call.SendError(request.Status.ToHttpStatus(), request.StatusMessage);
            return ValueTask.CompletedTask;
        }

        return SendAsync(request);
    }

    /// <summary>Ends the stream; one without any response is an empty stream.</summary>
    public ValueTask EndAsync()
    {
        if (!_hasBegun && !_isOver)
            call.BeginStream(ContentType);
        return ValueTask.CompletedTask;
    }

    private async ValueTask SendAsync(InferRequest request)
    {
        try
        {
            Write(request);
        }
        catch (InferenceException error)
        {
            call.Buffer.Clear();
            if (!_hasBegun)
            {
                _isOver = true;
                call.SendError(error.Code.ToHttpStatus(), error.Message);
                return;
            }

            WriteError(error.Message);
        }

        if (!_hasBegun)
            call.BeginStream(ContentType);
        _hasBegun = true;
        try
        {
            _isOver = !await call.FlushOutputAsync().ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or OperationCanceledException or InvalidOperationException)
        {
            // The client is gone, which the request's lifetime tells the model.
            _isOver = true;
        }
    }

    private void Write(InferRequest request)
    {
        if (!request.IsOk)
        {
            WriteError(request.StatusMessage);
            return;
        }

        call.Buffer.WriteRaw("data: "u8);
        GenerateJsonWriter.Write(call.Buffer, request);
        call.Buffer.WriteRaw("\n\n"u8);
    }

    private void WriteError(string message)
    {
        call.Buffer.WriteRaw("data: "u8);
        GenerateJsonWriter.WriteError(call.Buffer, message);
        call.Buffer.WriteRaw("\n\n"u8);
    }
}
