using System.Numerics;

namespace Sluice.Scheduling.Overload;

/// <summary>Learns how long executions take by their rows, while they happen.</summary>
/// <remarks>One smoothed value for each power of two of rows. <b>Threads.</b> Any; values are racy on purpose, they only steer.</remarks>
internal sealed class BatchTimes
{
    private const int Smoothing = 8;

    private readonly long[] _ticks = new long[32];

    /// <summary>Learns from one execution.</summary>
    /// <param name="rows">Its rows.</param>
    /// <param name="ticks">Its whole time.</param>
    public void Observe(int rows, long ticks)
    {
        ref var known = ref _ticks[BucketOf(rows)];
        var old = Volatile.Read(ref known);
        Volatile.Write(ref known, old == 0 ? Math.Max(1, ticks) : Math.Max(1, old + ((ticks - old) / Smoothing)));
    }

    /// <summary>Predicts the time of an execution.</summary>
    /// <returns>Clock ticks; 0 = nothing is known yet.</returns>
    public long Predict(int rows)
    {
        var bucket = BucketOf(rows);
        for (var i = bucket; i >= 0; i--)
        {
            // A hopeful guess: the larger batch is then tried, and known.
            if (Volatile.Read(ref _ticks[i]) is var smaller and > 0)
                return smaller;
        }

        for (var i = bucket + 1; i < _ticks.Length; i++)
        {
            if (Volatile.Read(ref _ticks[i]) is var larger and > 0)
                return larger;
        }

        return 0;
    }

    private static int BucketOf(int rows) => BitOperations.Log2((uint)Math.Max(1, rows));
}
