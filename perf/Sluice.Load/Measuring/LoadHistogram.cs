using System.Numerics;

namespace Sluice.Load.Measuring;

/// <summary>A log-linear histogram of latencies: values are kept to within 1/128 of themselves, from 1 ns to 2^62 ns.</summary>
/// <remarks><b>Threads.</b> One writer; merge the writers' histograms at the end.</remarks>
internal sealed class LoadHistogram
{
    private const int SubBits = 7;
    private const int SubCount = 1 << SubBits;

    private readonly long[] _counts = new long[(64 - SubBits) * SubCount];

    public long Count { get; private set; }

    public long SumNanoseconds { get; private set; }

    public long MaxNanoseconds { get; private set; }

    public void Record(long nanoseconds)
    {
        nanoseconds = Math.Max(1, nanoseconds);
        _counts[IndexOf(nanoseconds)]++;
        Count++;
        SumNanoseconds += nanoseconds;
        MaxNanoseconds = Math.Max(MaxNanoseconds, nanoseconds);
    }

    public void Add(LoadHistogram other)
    {
        for (var i = 0; i < _counts.Length; i++)
            _counts[i] += other._counts[i];
        Count += other.Count;
        SumNanoseconds += other.SumNanoseconds;
        MaxNanoseconds = Math.Max(MaxNanoseconds, other.MaxNanoseconds);
    }

    /// <summary>Returns the value that a share of all values does not pass, 0 without any.</summary>
    /// <param name="share">From 0 to 1.</param>
    public double PercentileMicroseconds(double share)
    {
        if (Count == 0)
            return 0;
        var wanted = Math.Clamp((long)Math.Ceiling(share * Count), 1, Count);
        long seen = 0;
        for (var i = 0; i < _counts.Length; i++)
        {
            seen += _counts[i];
            if (seen >= wanted)
                return Math.Min(UpperBound(i), MaxNanoseconds) / 1000.0;
        }

        return MaxNanoseconds / 1000.0;
    }

    private static int IndexOf(long value)
    {
        var shift = Math.Max(0, BitOperations.Log2((ulong)value) - SubBits);
        return (shift << SubBits) + (int)(value >> shift);
    }

    /// <summary>The largest value of a bucket; the inverse of <see cref="IndexOf"/>.</summary>
    private static long UpperBound(int index)
    {
        var shift = Math.Max(0, (index >> SubBits) - 1);
        return (((long)index - ((long)shift << SubBits) + 1) << shift) - 1;
    }
}
