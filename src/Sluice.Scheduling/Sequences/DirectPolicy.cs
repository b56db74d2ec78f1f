using Sluice.Inference;

namespace Sluice.Scheduling.Sequences;

/// <summary>What the policy sees of one slot.</summary>
/// <param name="ReadyAt">Since when a request waits there, clock ticks; <see cref="long.MaxValue"/> = none waits.</param>
/// <param name="FitsOldest">It may share a batch with the request that has waited longest.</param>
internal readonly record struct SlotSnapshot(long ReadyAt, bool FitsOldest)
{
    public bool IsReady => ReadyAt != long.MaxValue;
}

/// <summary>What to do with the requests that wait in an instance's slots.</summary>
/// <param name="Rows">Rows of the batch, padded ones included; 0 = wait.</param>
/// <param name="Reason">Why the batch is closed.</param>
/// <param name="WaitUntil">When to look again, if nothing arrives before.</param>
internal readonly record struct DirectDecision(int Rows, BatchCutReason Reason, long WaitUntil);

/// <summary>Decides when the rows of an instance run whose sequences have rows of their own (spec §3.5). A pure function.</summary>
/// <remarks>A batch has the rows up to the last one with a request that fits; rows between without one are padded. The delay
/// holds only where a share of the rows is asked for.</remarks>
/// <param name="delayTicks">Longest wait of the oldest request, clock ticks.</param>
/// <param name="minimumUtilization">Share of the rows at which nothing is waited for; 0 = never wait.</param>
internal sealed class DirectPolicy(long delayTicks, float minimumUtilization)
{
    /// <summary>Steps may have to wait for others.</summary>
    public bool HasDelay { get; } = delayTicks > 0 && minimumUtilization > 0;

    /// <summary>Looks at an instance's slots, row by row.</summary>
    public DirectDecision Decide(ReadOnlySpan<SlotSnapshot> slots, long now)
    {
        var (ready, rows) = (0, 0);
        var oldest = long.MaxValue;
        for (var i = 0; i < slots.Length; i++)
        {
            if (!slots[i].IsReady)
                continue;
            ready++;
            oldest = Math.Min(oldest, slots[i].ReadyAt);
            if (slots[i].FitsOldest)
                rows = i + 1;
        }

        if (ready == 0)
            return new DirectDecision(0, default, long.MaxValue);
        if (!HasDelay)
            return new DirectDecision(rows, BatchCutReason.InstanceFree, 0);
        if ((float)ready / slots.Length >= minimumUtilization)
            return new DirectDecision(rows, BatchCutReason.SizeReached, 0);
        return now - oldest >= delayTicks
            ? new DirectDecision(rows, BatchCutReason.DelayReached, 0)
            : new DirectDecision(0, default, oldest + delayTicks);
    }
}
