namespace Sluice.Inference;

/// <summary>A <see cref="LatencyHistogram"/> that all cores write at once: each has one of its own, joined when it is read.</summary>
/// <remarks><b>Threads.</b> Any number of writers and readers.</remarks>
public sealed class StripedHistogram
{
    private const int MostStripes = 16;

    private readonly LatencyHistogram[] _stripes = [.. Enumerable.Range(0, Math.Min(MostStripes, Environment.ProcessorCount)).Select(_ => new LatencyHistogram())];

    /// <summary>Counts one duration, nanoseconds.</summary>
    public void Record(long nanoseconds) => _stripes[(uint)Thread.GetCurrentProcessorId() % (uint)_stripes.Length].Record(nanoseconds);

    /// <summary>Joins what was counted so far.</summary>
    public LatencyHistogram Join()
    {
        var joined = new LatencyHistogram();
        foreach (var stripe in _stripes)
            joined.Add(stripe);
        return joined;
    }
}
