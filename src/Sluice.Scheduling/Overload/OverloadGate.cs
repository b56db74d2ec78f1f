using System.Diagnostics;
using System.Globalization;
using Sluice.Inference;
using Sluice.Scheduling.Dynamic;

namespace Sluice.Scheduling.Overload;

/// <summary>Keeps one model's queue worth waiting in: refuses what would be answered too late, and sheds what has waited too long.</summary>
/// <remarks><b>Threads.</b> The scheduler's lock, but for <see cref="Times"/>.</remarks>
/// <param name="model">The model.</param>
/// <param name="settings">When it refuses.</param>
/// <param name="canBatch">Requests share executions.</param>
/// <param name="knowsEnd">A request's own execution takes as long as others; of streams only the wait is known, and their first responses
/// may be enough.</param>
internal sealed class OverloadGate(ModelSettings model, OverloadSettings settings, bool canBatch, bool knowsEnd = true)
{
    private readonly long _target = Ticks(settings.Target);
    private readonly SojournWatch _sojourn = new(Ticks(settings.Interval));

    /// <summary>Learnt times of executions.</summary>
    public BatchTimes Times { get; } = new();

    /// <summary>Requests are refused for overload, not only for their deadlines.</summary>
    public bool Sheds => settings.Control != OverloadControl.Off;

    private long Target => Math.Max(_target, 2 * Times.Predict(FullRows(1)));

    /// <summary>A request may be refused: it has a deadline, or the model sheds.</summary>
    public bool Judges(InferRequest request) => request.DeadlineAt != 0 || Sheds;

    /// <summary>Decides over a request that is about to wait.</summary>
    /// <param name="request">Bound.</param>
    /// <param name="queue">What waits.</param>
    /// <param name="instances">How many the model has.</param>
    /// <param name="runningSince">Begin of the oldest running execution; 0 = some instance is free.</param>
    /// <param name="isIdle">Nothing waits and an instance is free.</param>
    /// <param name="now">The clock.</param>
    /// <returns>Why the request has failed; null = it may wait.</returns>
    public RefusalReason? Refuse(InferRequest request, RequestQueue queue, int instances, long runningSince, bool isIdle, long now)
    {
        if (isIdle || (!Judges(request) && !queue.HasTimeouts))
            return null;
        var (count, rows) = queue.Ahead(request);
        var full = FullRows(request.RowCount);
        var ahead = canBatch ? rows / full : count;
        var own = canBatch ? (int)Math.Min(full, (rows % full) + request.RowCount) : request.RowCount;
        var view = new AdmissionView(
            now, request.DeadlineAt, queue.MostWait(request), isIdle, ahead, instances, runningSince, Times.Predict(full), knowsEnd ? Times.Predict(own) : 0);
        return Refuse(request, in view);
    }

    /// <summary>Decides over a request that is about to wait.</summary>
    /// <param name="request">Bound.</param>
    /// <param name="view">What is in front of it.</param>
    /// <returns>Why the request has failed; null = it may wait.</returns>
    public RefusalReason? Refuse(InferRequest request, in AdmissionView view)
    {
        var target = settings.Control switch
        {
            OverloadControl.On => Target,
            OverloadControl.Auto when _sojourn.IsOverloaded => Target,
            _ => long.MaxValue,
        };
        var decision = AdmissionPolicy.Decide(in view, target);
        if (decision.Reason is not { } reason)
            return null;
        request.IsRefused = true;
        request.RetryAfterMilliseconds = (int)Math.Clamp(Math.Ceiling(Milliseconds(decision.RetryTicks)), 1, int.MaxValue);
        request.Fail(InferenceCode.Unavailable, reason switch
        {
            RefusalReason.DeadlineTooSoon => Say($"model '{model.Name}' cannot answer before the deadline: {Milliseconds(view.DeadlineAt - view.Now):F1} ms are left, about {Milliseconds(decision.WaitTicks + view.OwnTicks):F1} ms are needed"),
            RefusalReason.QueueTimeout => RequestEndings.Expired,
            _ => Say($"model '{model.Name}' is overloaded: the request would wait about {Milliseconds(decision.WaitTicks):F1} ms, more than {Milliseconds(target):F1} ms"),
        });
        return reason;
    }

    /// <summary>Takes out of the queue what has waited too long in a queue that stands; an instance is about to take from it.</summary>
    /// <returns>Requests to be refused; null = none.</returns>
    public List<InferRequest>? Shed(RequestQueue queue, long now)
    {
        List<InferRequest>? shed = null;
        var before = ShedBefore(queue.First is { } first ? now - first.QueuedAt : 0, now);
        while (queue.First is { } old && old.QueuedAt < before)
        {
            queue.TryRemove(old);
            FailShed(old, "request", now - old.QueuedAt);
            (shed ??= []).Add(old);
        }

        return shed;
    }

    /// <summary>Looks at what waits when an instance is about to take from it.</summary>
    /// <param name="waited">How long the next one has waited; 0 when none does.</param>
    /// <param name="now">The clock.</param>
    /// <returns>What came before has waited too long in a queue that stands; <see cref="long.MinValue"/> = nothing has.</returns>
    public long ShedBefore(long waited, long now)
    {
        var target = Target;
        _sojourn.Observe(waited, target, now);
        return _sojourn.IsOverloaded ? now - (2 * target) : long.MinValue;
    }

    /// <summary>Fails a request that is shed.</summary>
    /// <param name="request">Has been taken out of the queue.</param>
    /// <param name="subject">What has waited.</param>
    /// <param name="waited">For how long, clock ticks.</param>
    public void FailShed(InferRequest request, string subject, long waited)
    {
        var target = Target;
        request.RetryAfterMilliseconds = (int)Math.Max(1, Milliseconds(target));
        request.Fail(
            InferenceCode.Unavailable,
            Say($"model '{model.Name}' is overloaded: the {subject} has waited {Milliseconds(waited):F1} ms, more than {Milliseconds(2 * target):F1} ms"));
    }

    private static long Ticks(TimeSpan time) => (long)(time.TotalSeconds * Stopwatch.Frequency);

    private static double Milliseconds(long ticks) => ticks * 1e3 / Stopwatch.Frequency;

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private int FullRows(int own) => canBatch ? model.MaxBatchSize : own;
}
