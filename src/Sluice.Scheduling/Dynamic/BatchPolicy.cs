using System.Diagnostics;
using Sluice.Inference;

namespace Sluice.Scheduling.Dynamic;

/// <summary>What to do with the requests that wait.</summary>
/// <param name="Take">Requests to take from the front; 0 = wait.</param>
/// <param name="Reason">Why the batch is closed.</param>
/// <param name="WaitUntil">When to look again, if nothing arrives before.</param>
internal readonly record struct BatchDecision(int Take, BatchCutReason Reason, long WaitUntil);

/// <summary>Decides which waiting requests make the next batch (spec §3.5). A pure function over a walk of the queue.</summary>
/// <remarks>
/// A batch grows while requests fit in size and shape. It is closed when it is full or has exactly the largest preferred
/// size, when the next request does not fit, when it has exactly a preferred size, or when its oldest request has waited
/// for the allowed delay. With no delay whatever is there goes at once.
/// </remarks>
internal sealed class BatchPolicy
{
    private readonly int _maxRows;
    private readonly int[] _preferred;
    private readonly int _largestPreferred;
    private readonly long _delayTicks;
    private readonly long _delayLessPerRow;

    /// <summary>Creates a policy.</summary>
    /// <param name="maxRows">Largest batch.</param>
    /// <param name="preferredSizes">Sizes at which a batch need not wait for more.</param>
    /// <param name="delayTicks">Longest wait of the oldest request, clock ticks.</param>
    /// <param name="delayLessPerRow">What each row of the batch takes off that wait, clock ticks.</param>
    public BatchPolicy(int maxRows, IEnumerable<int> preferredSizes, long delayTicks, long delayLessPerRow = 0)
    {
        _delayLessPerRow = delayLessPerRow;
        _maxRows = maxRows;
        _preferred = [.. preferredSizes.Where(size => size <= maxRows).Order()];
        _largestPreferred = _preferred.Length > 0 ? _preferred[^1] : maxRows;
        _delayTicks = delayTicks;
        SmallestPreferred = _preferred.Length > 0 ? _preferred[0] : maxRows;
    }

    /// <summary>Makes the policy that a configuration asks for.</summary>
    /// <param name="maxRows">Largest batch.</param>
    /// <param name="settings">Null = whatever is there goes at once.</param>
    public static BatchPolicy Of(int maxRows, DynamicBatchingSettings? settings) => new(
        maxRows, settings?.PreferredBatchSizes ?? [], (settings?.MaxQueueDelayMicroseconds ?? 0) * Stopwatch.Frequency / 1_000_000);

    /// <summary>With fewer rows than this waiting, only time can close a batch.</summary>
    public int SmallestPreferred { get; }

    /// <summary>True when requests wait for company at all.</summary>
    public bool HasDelay => _delayTicks > 0;

    /// <summary>Looks at one walk of the queue.</summary>
    /// <param name="walk">The waiting requests, oldest first.</param>
    /// <param name="now">The clock.</param>
    public BatchDecision Decide<TWalk>(ref TWalk walk, long now)
        where TWalk : IQueueWalk, allows ref struct
    {
        var (rows, count) = (0, 0);
        var preferredCount = 0;
        var oldest = long.MaxValue;
        while (walk.TryNext(out var next))
        {
            if (count > 0 && !next.FitsFirst)
                return new BatchDecision(count, BatchCutReason.ShapeChanged, 0);
            if (count > 0 && rows + next.Rows > _maxRows)
                return new BatchDecision(count, BatchCutReason.WouldOverflow, 0);
            rows += next.Rows;
            count++;
            oldest = Math.Min(oldest, next.QueuedAt);
            if (rows >= _maxRows || rows == _largestPreferred)
                return new BatchDecision(count, BatchCutReason.SizeReached, 0);
            if (Array.BinarySearch(_preferred, rows) >= 0)
                preferredCount = count;
        }

        if (count == 0)
            return new BatchDecision(0, default, long.MaxValue);
        if (_delayTicks == 0)
            return new BatchDecision(count, BatchCutReason.InstanceFree, 0);
        if (preferredCount > 0)
            return new BatchDecision(preferredCount, BatchCutReason.SizeReached, 0);
        var until = oldest + _delayTicks - (rows * _delayLessPerRow);
        return now >= until
            ? new BatchDecision(count, BatchCutReason.DelayReached, 0)
            : new BatchDecision(0, default, until);
    }
}

/// <summary>What the policy sees of one waiting request.</summary>
/// <param name="Rows">Rows it adds.</param>
/// <param name="QueuedAt">When it came, clock ticks.</param>
/// <param name="FitsFirst">It may share a batch with the first request of the walk.</param>
internal readonly record struct WaitingRequest(int Rows, long QueuedAt, bool FitsFirst);

/// <summary>Walks over the waiting requests.</summary>
internal interface IQueueWalk
{
    /// <summary>Moves to the next request.</summary>
    bool TryNext(out WaitingRequest next);
}
