using Sluice.Inference;

namespace Sluice.Scheduling.Overload;

/// <summary>What the policy sees of a model and a request that has come for it. Times are clock ticks.</summary>
/// <param name="Now">The clock.</param>
/// <param name="DeadlineAt">When the caller stops waiting; 0 = never.</param>
/// <param name="MostWait">Longest wait that the queue's policy allows the request; <see cref="long.MaxValue"/> = any.</param>
/// <param name="IsIdle">An instance is free and nothing waits.</param>
/// <param name="BatchesAhead">Full executions that go before the request's own.</param>
/// <param name="Instances">Executions that run side by side.</param>
/// <param name="RunningSince">Begin of the oldest running execution; 0 = some instance is free.</param>
/// <param name="BatchTicks">Time of a full execution; 0 = not known yet.</param>
/// <param name="OwnTicks">Time of the execution that the request would be in.</param>
/// <param name="SlotTicks">Time until there is a place for the request's sequence; 0 = it needs none, or there is one.</param>
internal readonly record struct AdmissionView(
    long Now, long DeadlineAt, long MostWait, bool IsIdle, long BatchesAhead, int Instances, long RunningSince, long BatchTicks, long OwnTicks,
    long SlotTicks = 0);

/// <summary>What becomes of a request.</summary>
/// <param name="Reason">Why it is refused; null = it is taken.</param>
/// <param name="WaitTicks">Time that it would have to wait.</param>
/// <param name="RetryTicks">Time after which another try makes sense.</param>
internal readonly record struct AdmissionDecision(RefusalReason? Reason, long WaitTicks, long RetryTicks);

/// <summary>Decides whether work is worth beginning: refused at once is better than answered too late. A pure function.</summary>
/// <remarks>
/// <para>The wait is predicted from what is in front and from the learnt time of executions. By Little's law a bound on the wait is a
/// bound on the requests inside that follows the model's speed: an adaptive concurrency limit.</para>
/// <para>A request that finds the model idle is always taken, so that the times learnt never stay wrong.</para>
/// </remarks>
internal static class AdmissionPolicy
{
    /// <summary>Decides over one request.</summary>
    /// <param name="view">What is known.</param>
    /// <param name="target">Longest wait that the model accepts now; <see cref="long.MaxValue"/> = any.</param>
    public static AdmissionDecision Decide(in AdmissionView view, long target)
    {
        if (view.IsIdle || (view.BatchTicks == 0 && view.SlotTicks == 0))
            return default;
        var running = view.RunningSince == 0 ? 0 : Math.Max(0, view.BatchTicks - (view.Now - view.RunningSince));
        var wait = view.SlotTicks + running + (view.BatchesAhead * view.BatchTicks / view.Instances);
        if (view.DeadlineAt != 0 && view.Now + wait + view.OwnTicks > view.DeadlineAt)
            return new(RefusalReason.DeadlineTooSoon, wait, view.Now + wait + view.OwnTicks - view.DeadlineAt);
        if (wait > view.MostWait)
            return new(RefusalReason.QueueTimeout, wait, wait - view.MostWait);
        return wait > target ? new(RefusalReason.Overload, wait, wait - target) : default;
    }
}
