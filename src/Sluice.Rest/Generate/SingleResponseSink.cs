using Sluice.Inference;
using Sluice.Rest.Calls;

namespace Sluice.Rest.Generate;

/// <summary>Takes the responses of <c>generate</c>, of which there must be exactly one.</summary>
internal sealed class SingleResponseSink(RestCall call) : IResponseSink
{
    private (InferenceCode Code, string Message)? _failure;
    private int _count;

    public void Begin(InferRequest request)
    {
    }

    public ValueTask WriteAsync(InferRequest request, ResponseKind kind)
    {
        if (kind != ResponseKind.EmptyFinal && _count++ == 0)
            Take(request);
        return ValueTask.CompletedTask;
    }

    /// <summary>Sends the response, or the reason why there is none.</summary>
    public ValueTask EndAsync()
    {
        if (_count == 1 && _failure is null)
            return call.SendPlainJsonAsync();
        if (_count == 1)
            call.SendError(_failure!.Value.Code.ToHttpStatus(), _failure.Value.Message);
        else
            call.SendError(
                InferenceCode.Internal.ToHttpStatus(),
                "generate expects model to produce exactly 1 response, use generate stream for model that generates various " +
                "number of responses");
        return ValueTask.CompletedTask;
    }

    private void Take(InferRequest request)
    {
        if (!request.IsOk)
        {
            _failure = (request.Status, request.StatusMessage);
            return;
        }

        try
        {
            GenerateJsonWriter.Write(call.Buffer, request);
        }
        catch (InferenceException error)
        {
            _failure = (error.Code, error.Message);
        }
    }
}
