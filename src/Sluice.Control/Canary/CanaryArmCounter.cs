using System.Diagnostics;

namespace Sluice.Control.Canaries;

/// <summary>What one arm of a canary has done; kept while the canary stays, whatever its weights become.</summary>
/// <remarks><b>Threads.</b> Any number.</remarks>
public sealed class CanaryArmCounter(string canary, string endpoint)
{
    private long _count;
    private long _failureCount;
    private long _durationTicks;

    /// <summary>The canary's name.</summary>
    public string Canary { get; } = canary;

    /// <summary>Key of the endpoint.</summary>
    public string Endpoint { get; } = endpoint;

    /// <summary>Calls that ended.</summary>
    public long Count => Interlocked.Read(ref _count);

    /// <summary>Calls that ended without an answer of the endpoint.</summary>
    public long FailureCount => Interlocked.Read(ref _failureCount);

    /// <summary>Time that all calls took together.</summary>
    public TimeSpan Duration => TimeSpan.FromSeconds((double)Interlocked.Read(ref _durationTicks) / Stopwatch.Frequency);

    /// <summary>Notes the end of a call.</summary>
    /// <param name="isOk">It got an answer.</param>
    /// <param name="beganAt">Ticks of <see cref="Stopwatch"/>.</param>
    internal void Record(bool isOk, long beganAt)
    {
        Interlocked.Increment(ref _count);
        if (!isOk)
            Interlocked.Increment(ref _failureCount);
        Interlocked.Add(ref _durationTicks, Stopwatch.GetTimestamp() - beganAt);
    }
}
