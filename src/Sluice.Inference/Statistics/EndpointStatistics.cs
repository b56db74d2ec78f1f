using System.Diagnostics;

namespace Sluice.Inference;

/// <summary>What one endpoint's calls have done on all fronts since this process knows it, and what is sampled of them.</summary>
/// <remarks><b>Threads.</b> Any number of writers and readers.</remarks>
/// <param name="key"><c>name</c> or <c>name/version</c>.</param>
public sealed class EndpointStatistics(string key)
{
    private readonly long[] _counts = new long[Enum.GetValues<EndpointOutcome>().Length];
    private volatile SamplingPlan? _plan;

    /// <summary>The endpoint.</summary>
    public string Key => key;

    /// <summary>When counting began.</summary>
    public long BeganAt { get; } = Stopwatch.GetTimestamp();

    /// <summary>Times of successful calls.</summary>
    public LatencyHistogram Latency { get; } = new();

    /// <summary>What is sampled; null = nothing.</summary>
    public SamplingPlan? Plan
    {
        get => _plan;
        set => _plan = value;
    }

    /// <summary>Reads calls by how they ended.</summary>
    public long Count(EndpointOutcome outcome) => Volatile.Read(ref _counts[(int)outcome]);

    /// <summary>Counts a call.</summary>
    /// <param name="outcome">How it ended.</param>
    /// <param name="ticks">What it took, <see cref="Stopwatch"/> ticks.</param>
    public void Record(EndpointOutcome outcome, long ticks)
    {
        Interlocked.Increment(ref _counts[(int)outcome]);
        if (outcome == EndpointOutcome.Ok)
            Latency.Record(ModelStatistics.ToNanoseconds(ticks));
    }
}
