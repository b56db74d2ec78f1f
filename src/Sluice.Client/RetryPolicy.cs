using Sluice.Inference;

namespace Sluice.Client;

/// <summary>When and how often a failed unary call is tried again; a pure function of the failure and the attempt.</summary>
/// <remarks>
/// <para>Tried again is only what cannot have been worked on twice: the connection could not be made, the server refused the
/// stream, or it answered UNAVAILABLE (full queue, model not ready, stopping). A connection that broke after the request was
/// sent counts only with <see cref="RetriesBrokenConnections"/>. Nothing else is: not DEADLINE_EXCEEDED, not
/// RESOURCE_EXHAUSTED (more load does not help), and never a stream.</para>
/// <para>The wait before attempt n + 1 is random between half of and the whole of <c>InitialBackoff · 2^(n-1)</c>, at most
/// <see cref="MaxBackoff"/>; a server that says itself when to come again (<c>grpc-retry-pushback-ms</c>) is obeyed. The call's deadline spans all attempts; one that could not start in time is not made.</para>
/// </remarks>
public sealed record RetryPolicy
{
    /// <summary>Never tries again.</summary>
    public static RetryPolicy None { get; } = new() { MaxAttempts = 1 };

    /// <summary>Most attempts, the first included; at least 1. Default 3.</summary>
    public int MaxAttempts { get; init; } = 3;

    /// <summary>Longest wait before the second attempt. Default 20 ms.</summary>
    public TimeSpan InitialBackoff { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>Longest wait at all. Default 1 s.</summary>
    public TimeSpan MaxBackoff { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Also try again when the connection broke during the call, although the request may have run. Default false; safe for
    /// models without state.
    /// </summary>
    public bool RetriesBrokenConnections { get; init; }

    /// <summary>Tells whether a failure may be tried again.</summary>
    /// <param name="error">The failure of the last attempt.</param>
    /// <param name="attempt">Its number, from 1.</param>
    public bool ShouldRetry(SluiceException error, int attempt) =>
        attempt < MaxAttempts && error.Code == InferenceCode.Unavailable && error.PushbackMilliseconds is not < 0 &&
        (error.WasNotProcessed || RetriesBrokenConnections);

    /// <summary>Returns the wait after an attempt.</summary>
    /// <param name="error">How it failed.</param>
    /// <param name="attempt">The attempt that failed, from 1.</param>
    /// <param name="random">From 0 to 1.</param>
    public TimeSpan BackoffAfter(SluiceException error, int attempt, double random)
    {
        if (error.PushbackMilliseconds is { } milliseconds)
            return TimeSpan.FromMilliseconds(milliseconds);
        var longest = Math.Min(MaxBackoff.TotalSeconds, InitialBackoff.TotalSeconds * Math.Pow(2, attempt - 1));
        return TimeSpan.FromSeconds(longest * (0.5 + (random / 2)));
    }
}
