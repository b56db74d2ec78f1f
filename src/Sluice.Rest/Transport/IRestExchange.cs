using System.IO.Pipelines;

namespace Sluice.Rest.Transport;

/// <summary>One HTTP/1.1 request with its response; the only thing that a transport provides.</summary>
/// <remarks><b>Threads.</b> One handler at a time; <see cref="Aborted"/> may fire on any thread.</remarks>
internal interface IRestExchange
{
    /// <summary>The HTTP method.</summary>
    string Method { get; }

    /// <summary>The request line's target as it came, still percent-encoded; an equal one may be the same object.</summary>
    string Target { get; }

    /// <summary>Declared length of the body; null when it comes in chunks or not at all.</summary>
    long? ContentLength { get; }

    /// <summary>The request's body, lent piece by piece.</summary>
    PipeReader Body { get; }

    /// <summary>The response's body; what is written leaves at the latest when the handler ends.</summary>
    PipeWriter Output { get; }

    /// <summary>Cancelled when the connection is lost. Asking for it may cost something.</summary>
    CancellationToken Aborted { get; }

    /// <summary>The response's status so far.</summary>
    int Status { get; }

    /// <summary>The status may still be set.</summary>
    bool CanSetStatus { get; }

    /// <summary>Returns a request header's value, several joined by a comma; null when absent.</summary>
    /// <param name="name">Lower case.</param>
    string? RequestHeader(string name);

    /// <summary>Lists all request headers.</summary>
    IEnumerable<KeyValuePair<string, string>> RequestHeaders();

    /// <summary>Sets the status, content type and length of the response; a negative length = not known yet.</summary>
    void SetHead(int status, string? contentType, long contentLength);

    /// <summary>Sets a response header.</summary>
    void SetHeader(string name, string value);

    /// <summary>Returns the HTTP status with which the transport itself refused the request; 0 = it did not.</summary>
    int StatusOf(Exception error);
}
