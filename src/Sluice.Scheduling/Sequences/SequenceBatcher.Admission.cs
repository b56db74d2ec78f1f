using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Scheduling.Dynamic;

namespace Sluice.Scheduling.Sequences;

/// <content>What comes in, and what is refused.</content>
public sealed partial class SequenceBatcher
{
    /// <inheritdoc/>
    public override ValueTask ExecuteAsync(InferRequest request)
    {
        var now = Now;
        Stamp(request, now);
        if (FindFault(request) is { } fault)
        {
            Refuse(request, fault);
            return ValueTask.CompletedTask;
        }

        Watch(request);
        request.PrepareWait();
        InstanceRunner? runner = null;
        var admission = Admission.Cancelled;
        RefusalReason? refusal = null;
        var (isAgain, isReleased) = (false, false);
        lock (Gate)
        {
            Sequence? sequence = null;
            if (!request.IsCancelled)
                admission = _book.Check(request, out sequence);
            if (admission == Admission.Taken && Overload.Judges(request))
                refusal = Overload.Refuse(request, _outlook.Of(request, sequence, _instances, now));
            if (refusal is not null)
                admission = Admission.Refused;
            if (admission == Admission.Taken)
            {
                isAgain = sequence is not null && request.IsSequenceStart;
                runner = NoteTaken(_book.Add(request, sequence, now), now, out isReleased);
            }
        }

        if (isAgain && Logger.IsEnabled(LogLevel.Debug))
        {
            var id = Sequence.TextOf(request);
            SchedulingLog.SequenceConflict(Logger, id, Settings.Name);
        }

        if (admission != Admission.Taken)
        {
            Refuse(request, admission, refusal);
            return ValueTask.CompletedTask;
        }

        var wait = request.WaitAsync();
        runner?.Start();
        if (isReleased)
            StartAll();
        return wait;
    }

    private string? FindFault(InferRequest request)
    {
        if (request.RowCount != 1)
            return $"inference request to model '{Settings.Name}' must specify batch-size 1 due to requirements of sequence batcher";
        return request.SequenceId == 0 && request.SequenceName.IsEmpty && !_isIterative
            ? $"inference request to model '{Settings.Name}' must specify a non-zero or non-empty correlation ID"
            : null;
    }

    /// <summary>Counts a request that was let in, and finds out who works on it.</summary>
    private InstanceRunner? NoteTaken(int instance, long now, out bool isReleased)
    {
        Statistics.AddPending(1);
        isReleased = _isHeld && _book.QueuedCount - _book.BackloggedCount >= _held.Queued && _book.BackloggedCount >= _held.Backlogged;
        _isHeld &= !isReleased;
        ScheduleFor(_book.NextDue);
        return TakeToStart(instance, now);
    }

    private void Refuse(InferRequest request, Admission admission, RefusalReason? refusal)
    {
        switch (admission)
        {
            case Admission.NoStart:
                Refuse(
                    request,
                    $"inference request for sequence {Sequence.TextOf(request)} to model '{Settings.Name}' must specify the START flag " +
                    "on the first request of the sequence");
                break;
            case Admission.TableFull:
                request.Fail(
                    InferenceCode.ResourceExhausted,
                    $"model '{Settings.Name}' has {_maxSequences} sequences under way, which is its limit; end one of them first");
                EndUnqueued(request, RefusalReason.QueueFull);
                break;
            default:
                EndUnqueued(request, admission == Admission.QueueFull ? RefusalReason.QueueFull : refusal);
                break;
        }
    }

    /// <summary>Answers a request that breaks a rule of sequences.</summary>
    private void Refuse(InferRequest request, string message)
    {
        request.QueueCancellation.Dispose();
        request.IsRefused = true;
        request.Fail(InferenceCode.InvalidArgument, message);
        Statistics.RecordFailure(FailureReason.Other, Now - request.ReceivedAt);
    }

    /// <summary>Takes out of an overloaded model's backlog what has waited too long; the caller holds the lock.</summary>
    /// <remarks>What has a slot is not shed: a sequence that has begun is worth more than one that has not. Only the wait of steps that have
    /// their slot tells of overload: a model may idle while sequences wait for slots whose clients take their time.</remarks>
    private List<InferRequest>? Shed(int instance, long now)
    {
        if (!Overload.Sheds)
            return null;
        var since = _book.Ready(instance).First is { } next ? Math.Max(next.First!.QueuedAt, _slots.TakenSince(next)) : now;
        var before = Overload.ShedBefore(now - since, now);
        List<InferRequest>? shed = null;
        while (_book.FirstBacklogged is { } first && first.QueuedAt < before)
        {
            var known = shed?.Count ?? 0;
            _book.Abort(first, now, ref shed);
            foreach (var request in shed!.Skip(known))
                Overload.FailShed(request, "sequence", now - first.QueuedAt);
        }

        Statistics.AddPending(-(shed?.Count ?? 0));
        return shed;
    }
}
