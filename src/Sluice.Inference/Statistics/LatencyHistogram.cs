using System.Numerics;

namespace Sluice.Inference;

/// <summary>Counts durations in log-linear buckets: eight per power of two, so no quantile is more than an eighth too large.</summary>
/// <remarks>
/// <para><b>Units.</b> Nanoseconds; everything past about 146 hours falls into the last bucket.</para>
/// <para><b>Threads.</b> Any number of writers and readers; one interlocked add per value, no allocation.</para>
/// <para>The layout follows HdrHistogram's idea (Gil Tene): a linear scale within each power of two.</para>
/// </remarks>
public sealed class LatencyHistogram
{
    private const int SubBits = 3;
    private const int SubCount = 1 << SubBits;
    private const int MaxExponent = 48;

    private readonly long[] _counts = new long[(MaxExponent - SubBits + 2) * SubCount];
    private long _sum;

    /// <summary>Number of buckets.</summary>
    public int BucketCount => _counts.Length;

    /// <summary>Sum of all values, nanoseconds.</summary>
    public long SumNanoseconds => Volatile.Read(ref _sum);

    /// <summary>Number of values.</summary>
    public long Count
    {
        get
        {
            long count = 0;
            foreach (ref var bucket in _counts.AsSpan())
                count += Volatile.Read(ref bucket);
            return count;
        }
    }

    /// <summary>Counts one duration; negative ones count as zero.</summary>
    public void Record(long nanoseconds)
    {
        nanoseconds = Math.Max(0, nanoseconds);
        Interlocked.Increment(ref _counts[IndexOf(nanoseconds)]);
        Interlocked.Add(ref _sum, nanoseconds);
    }

    /// <summary>Counts one duration a number of times.</summary>
    public void Record(long nanoseconds, int times)
    {
        nanoseconds = Math.Max(0, nanoseconds);
        Interlocked.Add(ref _counts[IndexOf(nanoseconds)], times);
        Interlocked.Add(ref _sum, nanoseconds * times);
    }

    /// <summary>Adds what another one has counted.</summary>
    public void Add(LatencyHistogram other)
    {
        for (var i = 0; i < _counts.Length; i++)
            Interlocked.Add(ref _counts[i], other.CountAt(i));
        Interlocked.Add(ref _sum, other.SumNanoseconds);
    }

    /// <summary>Reads one bucket.</summary>
    public long CountAt(int bucket) => Volatile.Read(ref _counts[bucket]);

    /// <summary>The largest value that falls into a bucket.</summary>
    public static long UpperBound(int bucket)
    {
        var (group, sub) = (bucket >> SubBits, bucket & (SubCount - 1));
        return group == 0 ? sub : ((long)(SubCount + sub + 1) << (group - 1)) - 1;
    }

    /// <summary>Returns the duration below which a share of all values lies; 0 when there are none.</summary>
    /// <param name="quantile">0 to 1.</param>
    public long Quantile(double quantile)
    {
        long total = 0;
        foreach (ref var count in _counts.AsSpan())
            total += Volatile.Read(ref count);
        var rank = (long)Math.Ceiling(quantile * total);
        long seen = 0;
        for (var i = 0; i < _counts.Length && total > 0; i++)
        {
            seen += CountAt(i);
            if (seen >= rank && seen > 0)
                return UpperBound(i);
        }

        return 0;
    }

    private static int IndexOf(long value)
    {
        if (value < SubCount)
            return (int)value;
        var exponent = BitOperations.Log2((ulong)value);
        if (exponent > MaxExponent)
            return ((MaxExponent - SubBits + 2) * SubCount) - 1;
        var shift = exponent - SubBits;
        return ((shift + 1) << SubBits) + (int)((value >> shift) & (SubCount - 1));
    }
}
