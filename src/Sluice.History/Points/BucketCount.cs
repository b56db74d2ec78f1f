namespace Sluice.History.Points;

/// <summary>One bucket of a histogram that has something in it.</summary>
/// <param name="Index">Its number.</param>
/// <param name="Count">How many values.</param>
public readonly record struct BucketCount(int Index, long Count);

/// <summary>Adds histograms up that are lists of their buckets.</summary>
public static class BucketCounts
{
    /// <summary>Adds two lists, both by ascending index.</summary>
    public static IReadOnlyList<BucketCount> Add(IReadOnlyList<BucketCount> first, IReadOnlyList<BucketCount> second)
    {
        if (first.Count == 0 || second.Count == 0)
            return first.Count == 0 ? second : first;
        var sum = new List<BucketCount>(Math.Max(first.Count, second.Count));
        var (i, j) = (0, 0);
        while (i < first.Count || j < second.Count)
        {
            if (j == second.Count || (i < first.Count && first[i].Index < second[j].Index))
                sum.Add(first[i++]);
            else if (i == first.Count || second[j].Index < first[i].Index)
                sum.Add(second[j++]);
            else
                sum.Add(new BucketCount(first[i].Index, first[i++].Count + second[j++].Count));
        }

        return sum;
    }

    /// <summary>Returns the upper bound below which a share of all values lies; 0 when there are none.</summary>
    /// <param name="counts">By ascending index.</param>
    /// <param name="quantile">0 to 1.</param>
    /// <param name="upperBound">Bound of a bucket.</param>
    public static long Quantile(IReadOnlyList<BucketCount> counts, double quantile, Func<int, long> upperBound)
    {
        var total = counts.Sum(bucket => bucket.Count);
        var rank = Math.Max(1, (long)Math.Ceiling(quantile * total));
        long seen = 0;
        foreach (var (index, count) in counts)
        {
            seen += count;
            if (seen >= rank)
                return upperBound(index);
        }

        return 0;
    }
}
