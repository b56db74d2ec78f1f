using Sluice.Inference;
using Sluice.Protocol.Wire;

namespace Sluice.Client.Calls;

/// <summary>The one place that turns what went wrong in the transport into a status.</summary>
internal static class RpcFailure
{
    private const long RefusedStream = 7;
    private const long Cancel = 8;
    private const long EnhanceYourCalm = 11;
    private const long InadequateSecurity = 12;

    /// <summary>Classifies an exception of a call.</summary>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public static SluiceException From(Exception error, CallDeadline deadline)
    {
        if (error is not SluiceException)
            deadline.Caller.ThrowIfCancellationRequested();
        if (deadline.IsExpired && error is not SluiceException)
            return new SluiceException(InferenceCode.DeadlineExceeded, "the deadline passed before the answer was there", error);
        return error switch
        {
            SluiceException known => known,
            WireFormatException broken => new(InferenceCode.Internal, $"the answer is no valid message: {broken.Message}", broken),
            _ => FromTransport(error),
        };
    }

    private static SluiceException FromTransport(Exception error)
    {
        for (var inner = error; inner is not null; inner = inner.InnerException)
        {
            switch (inner)
            {
                case HttpProtocolException protocol:
                    return FromReset(protocol);
                case HttpRequestException
                {
                    HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or
                        HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError,
                }:
                    return new(InferenceCode.Unavailable, $"the server cannot be reached: {error.Message}", error)
                    {
                        WasNotProcessed = true,
                    };
            }
        }

        return error is OperationCanceledException
            ? new(InferenceCode.Cancelled, "the call was cancelled", error)
            : new(InferenceCode.Unavailable, $"the connection broke during the call: {error.Message}", error);
    }

    /// <summary>HTTP/2 error codes to status (gRPC over HTTP/2, "Errors").</summary>
    private static SluiceException FromReset(HttpProtocolException error) => error.ErrorCode switch
    {
        RefusedStream => new(InferenceCode.Unavailable, "the server refused the stream", error) { WasNotProcessed = true },
        Cancel => new(InferenceCode.Cancelled, "the server cancelled the stream", error),
        EnhanceYourCalm => new(InferenceCode.ResourceExhausted, "the server asks for fewer calls", error),
        InadequateSecurity => new(InferenceCode.PermissionDenied, "the connection is not secure enough for the server", error),
        _ => new(InferenceCode.Internal, $"the server reset the stream with HTTP/2 error {error.ErrorCode}", error),
    };
}
