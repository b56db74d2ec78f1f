using System.Diagnostics;
using Sluice.Inference;

namespace Sluice.Control.Canaries;

/// <summary>What one arm of a canary has done; kept while the canary stays, whatever its weights become.</summary>
/// <remarks><b>Threads.</b> Any number.</remarks>
public sealed class CanaryArmCounter(string canary, string endpoint)
{
    private long _count;
    private long _failureCount;

    /// <summary>The canary's name.</summary>
    public string Canary { get; } = canary;

    /// <summary>Key of the endpoint.</summary>
    public string Endpoint { get; } = endpoint;

    /// <summary>Calls that ended.</summary>
    public long Count => Interlocked.Read(ref _count);

    /// <summary>Calls that ended without an answer of the endpoint.</summary>
    public long FailureCount => Interlocked.Read(ref _failureCount);

    /// <summary>Times of calls that got an answer.</summary>
    public LatencyHistogram Latency { get; } = new();

    /// <summary>Notes the end of a call.</summary>
    /// <param name="isOk">It got an answer.</param>
    /// <param name="ticks">What it took, ticks of <see cref="Stopwatch"/>.</param>
    internal void Record(bool isOk, long ticks)
    {
        Interlocked.Increment(ref _count);
        if (isOk)
            Latency.Record(ModelStatistics.ToNanoseconds(ticks));
        else
            Interlocked.Increment(ref _failureCount);
    }
}
