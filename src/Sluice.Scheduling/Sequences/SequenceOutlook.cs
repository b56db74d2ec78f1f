using Sluice.Inference;
using Sluice.Scheduling.Dynamic;
using Sluice.Scheduling.Overload;

namespace Sluice.Scheduling.Sequences;

/// <summary>Sees what is in front of a step that has come, for <see cref="AdmissionPolicy"/>.</summary>
/// <remarks>
/// <para>A step waits for those of its own sequence, one execution each, and shares these with the steps of others at its instance. Without
/// a slot it waits for one first, as long as sequences usually keep theirs.</para>
/// <para><b>Threads.</b> None of its own: the scheduler holds its lock around every call.</para>
/// </remarks>
/// <param name="settings">Completed settings.</param>
/// <param name="book">What waits.</param>
/// <param name="slots">Who has a slot.</param>
/// <param name="times">Learnt times of executions.</param>
/// <param name="knowsEnd">A request is answered by its own execution; else only the wait for that is known.</param>
internal sealed class SequenceOutlook(ModelSettings settings, SequenceBook book, SequenceSlots slots, BatchTimes times, bool knowsEnd)
{
    private readonly bool _isDirect = settings is { MaxBatchSize: > 0, Sequence.Oldest: null };
    private readonly int _maxRows = Math.Max(1, settings.MaxBatchSize);

    /// <summary>Looks at what there is.</summary>
    /// <param name="request">Checked.</param>
    /// <param name="sequence">What it is a step of; null = it begins another one.</param>
    /// <param name="runners">By the number of their instance; null = there is none of it.</param>
    /// <param name="now">The clock.</param>
    public AdmissionView Of(InferRequest request, Sequence? sequence, InstanceRunner?[] runners, long now)
    {
        var before = sequence?.Count ?? 0;
        var slot = sequence?.Slot ?? (book.WaitingCount > 0 ? -1 : slots.FindFree());
        if (slot < 0)
        {
            // One that waits already knew what was before it when it began.
            var wait = slots.PredictWait(sequence is null ? book.WaitingCount : 0, now);
            return View(request, isIdle: false, before, runningSince: 0, rows: 1, wait, now);
        }

        var instance = slots.InstanceOf(slot);
        var runner = runners[instance]!;
        var ready = book.Ready(instance).Count;
        if (_isDirect)
            return View(request, !runner.IsExecuting && ready == 0, before, SinceOf(runner), slots.RowOf(slot) + 1, slotTicks: 0, now);
        var busy = ready + (runner.IsExecuting ? runner.Count : 0);
        var steps = Math.Min((book.QueuedCount - book.BackloggedCount) / CountOf(runners), (before + 1L) * busy);
        return View(
            request, busy == 0, Math.Max(before, steps / _maxRows), SinceOf(runner), Math.Min(_maxRows, busy + 1), slotTicks: 0, now);
    }

    private static int CountOf(InstanceRunner?[] runners)
    {
        var count = 0;
        foreach (var runner in runners)
            count += runner is null ? 0 : 1;
        return count;
    }

    private static long SinceOf(InstanceRunner runner) => runner.IsExecuting ? runner.StartedAt : 0;

    private AdmissionView View(InferRequest request, bool isIdle, long batches, long runningSince, int rows, long slotTicks, long now)
    {
        var ticks = times.Predict(rows);
        return new AdmissionView(
            now, request.DeadlineAt, long.MaxValue, isIdle, batches, 1, runningSince, ticks, knowsEnd ? ticks : 0, slotTicks);
    }
}
