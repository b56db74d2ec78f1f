using System.Numerics;
using Sluice.History.Points;
using Sluice.Inference;

namespace Sluice.History.Recording;

/// <summary>What was counted between two looks.</summary>
/// <param name="Ok">Requests that ended well.</param>
/// <param name="Failed">Requests that failed.</param>
/// <param name="Nanoseconds">Times of those that ended well, added up.</param>
/// <param name="Latency">These times in buckets.</param>
internal sealed record Counts(long Ok, long Failed, long Nanoseconds, IReadOnlyList<BucketCount> Latency)
{
    public static Counts None { get; } = new(0, 0, 0, []);

    public static Counts operator +(Counts first, Counts second) => new(
        first.Ok + second.Ok, first.Failed + second.Failed, first.Nanoseconds + second.Nanoseconds, BucketCounts.Add(first.Latency, second.Latency));
}

/// <summary>Remembers what counters said and tells what has come since; a counter that is new begins at zero.</summary>
/// <remarks><b>Threads.</b> One at a time.</remarks>
internal sealed class CounterReader
{
    private readonly Dictionary<object, Reading> _last = new(ReferenceEqualityComparer.Instance);

    /// <summary>Reads what has come since the last look that was kept.</summary>
    /// <param name="counters">All there are; others are forgotten when the look is kept.</param>
    /// <param name="keeps">The next look begins here.</param>
    public Counts Read(IEnumerable<RequestCounter> counters, bool keeps)
    {
        var sum = Counts.None;
        var seen = new HashSet<object>(ReferenceEqualityComparer.Instance);
        foreach (var counter in counters)
        {
            var now = new Reading(counter.Ok(), counter.Failed(), counter.Latency.SumNanoseconds, Buckets(counter.Latency));
            var last = _last.GetValueOrDefault(counter.Identity);
            sum += last is null
                ? new Counts(now.Ok, now.Failed, now.Nanoseconds, now.Latency)
                : new Counts(now.Ok - last.Ok, now.Failed - last.Failed, now.Nanoseconds - last.Nanoseconds, Difference(now.Latency, last.Latency));
            seen.Add(counter.Identity);
            if (keeps)
                _last[counter.Identity] = now;
        }

        if (keeps)
            Forget(seen);
        return sum;
    }

    /// <summary>Reads queues and batches of models since the last kept look.</summary>
    public (IReadOnlyList<BucketCount> Queue, IReadOnlyList<BucketCount> Batches) ReadModels(IEnumerable<ModelStatistics> models)
    {
        IReadOnlyList<BucketCount> queue = [];
        IReadOnlyList<BucketCount> batches = [];
        var seen = new HashSet<object>(ReferenceEqualityComparer.Instance);
        foreach (var model in models)
        {
            // A key of its own: the same statistics may be a counter, too.
            var now = new Reading(0, 0, 0, Buckets(model.QueueLatency)) { Batches = BatchBuckets(model) };
            var last = _last.GetValueOrDefault(model.QueueLatency);
            queue = BucketCounts.Add(queue, last is null ? now.Latency : Difference(now.Latency, last.Latency));
            batches = BucketCounts.Add(batches, last is null ? now.Batches : Difference(now.Batches, last.Batches));
            _last[model.QueueLatency] = now;
            seen.Add(model.QueueLatency);
        }

        foreach (var gone in _last.Keys.Where(key => key is LatencyHistogram && !seen.Contains(key)).ToList())
            _last.Remove(gone);
        return (queue, batches);
    }

    private void Forget(HashSet<object> seen)
    {
        foreach (var gone in _last.Keys.Where(key => key is not LatencyHistogram && !seen.Contains(key)).ToList())
            _last.Remove(gone);
    }

    private static List<BucketCount> Buckets(LatencyHistogram histogram)
    {
        var buckets = new List<BucketCount>();
        for (var i = 0; i < histogram.BucketCount; i++)
        {
            if (histogram.CountAt(i) is var count and > 0)
                buckets.Add(new BucketCount(i, count));
        }

        return buckets;
    }

    private static List<BucketCount> BatchBuckets(ModelStatistics model)
    {
        var doublings = new long[BitOperations.Log2((uint)model.LargestBatch) + 2];
        for (var rows = 1; rows <= model.LargestBatch; rows++)
            doublings[rows == 1 ? 0 : BitOperations.Log2((uint)(rows - 1)) + 1] += model.Batch(rows).Count;
        return [.. doublings.Select((count, i) => new BucketCount(i, count)).Where(bucket => bucket.Count > 0)];
    }

    private static List<BucketCount> Difference(IReadOnlyList<BucketCount> now, IReadOnlyList<BucketCount> last)
    {
        var before = last.ToDictionary(bucket => bucket.Index, bucket => bucket.Count);
        return [.. now.Select(bucket => new BucketCount(bucket.Index, bucket.Count - before.GetValueOrDefault(bucket.Index))).Where(bucket => bucket.Count > 0)];
    }

    private sealed record Reading(long Ok, long Failed, long Nanoseconds, IReadOnlyList<BucketCount> Latency)
    {
        public IReadOnlyList<BucketCount> Batches { get; init; } = [];
    }
}
