namespace Sluice.Inference;

/// <summary>Tells whether somebody still waits for a request's answer.</summary>
/// <remarks>The token is made on demand, so a call that is answered at once never pays for it.</remarks>
public interface ICallLifetime
{
    /// <summary>Cancelled when the caller cancels, disconnects, or its deadline passes.</summary>
    CancellationToken CancellationToken { get; }

    /// <summary>Tells callers apart for fair turns: who calls where callers say so, else the connection. Different callers may share one.</summary>
    int ClientKey => 0;

    /// <summary>Adds headers of the call that the operator wants forwarded to the request's parameters.</summary>
    /// <exception cref="InferenceException">A header may not be forwarded.</exception>
    void ForwardHeaders(InferRequest request)
    {
    }

    /// <summary>True when the token was cancelled because the deadline passed.</summary>
    bool IsDeadlineExceeded { get; }
}
