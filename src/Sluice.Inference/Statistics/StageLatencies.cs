namespace Sluice.Inference;

/// <summary>Times of the parts of executions, counted once per request; kept only where summaries are asked for.</summary>
public sealed class StageLatencies
{
    /// <summary>Gathering inputs.</summary>
    public LatencyHistogram Input { get; } = new();

    /// <summary>The engine's run.</summary>
    public LatencyHistogram Infer { get; } = new();

    /// <summary>Splitting outputs.</summary>
    public LatencyHistogram Output { get; } = new();

    /// <summary>Finding an answer in the response cache.</summary>
    public LatencyHistogram CacheHit { get; } = new();

    /// <summary>Looking for an answer in the response cache in vain, and keeping it.</summary>
    public LatencyHistogram CacheMiss { get; } = new();

    internal void Record(int requests, in ExecutionTiming timing)
    {
        Input.Record(ModelStatistics.ToNanoseconds(timing.Input), requests);
        Infer.Record(ModelStatistics.ToNanoseconds(timing.Infer), requests);
        Output.Record(ModelStatistics.ToNanoseconds(timing.Output), requests);
    }
}
