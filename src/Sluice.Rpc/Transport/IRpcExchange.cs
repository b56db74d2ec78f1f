using System.IO.Pipelines;

namespace Sluice.Rpc.Transport;

/// <summary>One HTTP/2 request with its response, as gRPC needs it; the only thing that a transport provides.</summary>
/// <remarks>
/// <para><b>Order.</b> Headers are set before the first flush. When no byte was written at the end, trailers leave in the
/// header block (gRPC's trailers-only response).</para>
/// <para><b>Threads.</b> The body is read by one reader and the output written by one writer at a time; the two may be
/// different threads. <see cref="Abort"/> may come from any thread.</para>
/// </remarks>
public interface IRpcExchange
{
    /// <summary>The HTTP method.</summary>
    string HttpMethod { get; }

    /// <summary>The request's path, such as <c>/inference.GRPCInferenceService/ModelInfer</c>.</summary>
    string Path { get; }

    /// <summary>The request's body, lent piece by piece.</summary>
    PipeReader Body { get; }

    /// <summary>The response's body.</summary>
    PipeWriter Output { get; }

    /// <summary>Tells connections apart; different ones may share one.</summary>
    int ConnectionKey { get; }

    /// <summary>Cancelled when the peer resets the stream or the connection is lost. Asking for it may cost something.</summary>
    CancellationToken Aborted { get; }

    /// <summary>Returns a request header's value, several joined by a comma; null when absent.</summary>
    /// <param name="name">Lower case.</param>
    string? RequestHeader(string name);

    /// <summary>Lists all request headers.</summary>
    IEnumerable<KeyValuePair<string, string>> RequestHeaders();

    /// <summary>Sets the HTTP status; 200 unless set.</summary>
    void SetHttpStatus(int status);

    /// <summary>Sets a response header.</summary>
    void SetHeader(string name, string value);

    /// <summary>Sets a trailer.</summary>
    void SetTrailer(string name, string value);

    /// <summary>Fills memory from the body, as directly as the transport can.</summary>
    /// <returns>False when the body ends, or the reading is ended on this side, before the memory is full.</returns>
    ValueTask<bool> FillAsync(Memory<byte> destination);

    /// <summary>True when the thread that serves the call also serves other connections: it must not block.</summary>
    bool IsOnSharedThread { get; }

    /// <summary>Lets the call's waits end on the thread pool from now on, for handlers that may block.</summary>
    void LeaveSharedThread();

    /// <summary>From this length on memory had better be sent by <see cref="SendAsync"/> than be copied to <see cref="Output"/>.</summary>
    int DirectSendBytes { get; }

    /// <summary>Sends memory behind what was written to <see cref="Output"/>, as directly as the transport can.</summary>
    /// <remarks><b>Ownership.</b> The memory is lent until the task ends.</remarks>
    /// <param name="memory">What to send.</param>
    /// <param name="isLast">The response ends with it: nothing more is written, and the trailers are those set by now, so that
    /// they may leave in the same write.</param>
    /// <returns>False when the peer is gone.</returns>
    ValueTask<bool> SendAsync(ReadOnlyMemory<byte> memory, bool isLast = false);

    /// <summary>Resets the stream with an HTTP/2 error code.</summary>
    void Abort(int http2ErrorCode);
}
