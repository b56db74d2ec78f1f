using Sluice.Inference;
using Sluice.Scheduling.Dynamic;

namespace Sluice.Scheduling.Sequences;

/// <content>Sequences that are given up.</content>
internal sealed partial class SequenceBook
{
    /// <summary>Gives the sequence up that a request is a step of, since the step cannot run: what waits of it ends, and its slot is free as
    /// soon as nothing of it runs. A START behind it is another sequence of the same id, which goes on.</summary>
    /// <param name="request">Waits or runs.</param>
    /// <param name="now">The clock.</param>
    /// <param name="ended">Receives requests that nothing will come of any more.</param>
    /// <returns>The instance that has got something to do; -1 = none.</returns>
    public int Abort(InferRequest request, long now, ref List<InferRequest>? ended)
    {
        var sequence = (Sequence)request.Sequence!;
        var isWaiting = ReferenceEquals(request.QueueOwner, sequence);
        var first = isWaiting ? StartOf(request) : sequence.First;
        var isNext = ReferenceEquals(first, sequence.First);
        var isRunning = sequence.IsRunning && (!isWaiting || (isNext && !first!.IsSequenceStart && !_isIterative));
        if (isWaiting)
            first = EndStep(sequence, first!, ref ended);
        EndSteps(sequence, first, ref ended);
        if (isRunning)
        {
            sequence.IsAborted = true;
            return sequence.Count > 0 ? Succeed(sequence, now) : -1;
        }

        if (sequence.IsRunning)
            return -1;
        if (sequence.Count == 0)
        {
            sequence.List?.Remove(sequence);
            return Release(sequence, now);
        }

        if (!isNext)
            return -1;
        Forget(sequence);
        if (sequence.Slot < 0)
            return -1;
        sequence.List?.Remove(sequence);
        TryMakeReady(sequence, now);
        return _slots.InstanceOf(sequence);
    }

    /// <summary>Gives up sequences whose next step's caller has stopped waiting.</summary>
    public void DropLate(int instance, long now, ref List<InferRequest>? ended)
    {
        // Whatever takes the place of one that is given up stands at the end of the list.
        Sequence? kept = null;
        while ((kept is null ? _ready[instance].First : kept.Next) is { } sequence)
        {
            if (RequestEndings.IsLate(sequence.First!, now))
                Abort(sequence.First!, now, ref ended);
            else
                kept = sequence;
        }
    }

    /// <summary>Gives up sequences that have waited for a slot for longer than their requests allow.</summary>
    public void SweepBacklog(long now, ref List<InferRequest>? expired)
    {
        if (NextExpiry > now)
            return;
        NextExpiry = long.MaxValue;
        for (var sequence = _backlog.First; sequence is not null;)
        {
            var next = sequence.Next;
            if (sequence.ExpiresAt <= now)
                Expire(sequence, now, ref expired);
            if (ReferenceEquals(sequence.List, _backlog))
                NextExpiry = Math.Min(NextExpiry, sequence.ExpiresAt);
            sequence = next;
        }
    }

    /// <summary>Gives up those of a sequence's requests, between one START and the next, of which one has waited for too long.</summary>
    private void Expire(Sequence sequence, long now, ref List<InferRequest>? expired)
    {
        sequence.ExpiresAt = long.MaxValue;
        for (var request = sequence.First; request is not null;)
        {
            var next = request.QueueNext;
            if (ExpiryOf(request, sequence) <= now)
            {
                while (next is { IsSequenceStart: false })
                    next = next.QueueNext;
                Abort(request, now, ref expired);
            }
            else
            {
                NoteExpiry(request, sequence);
            }

            request = next;
        }
    }

    /// <summary>The first waiting request that shares the fate of another.</summary>
    private InferRequest StartOf(InferRequest request)
    {
        while (!_isIterative && !request.IsSequenceStart && request.QueuePrevious is { } previous)
            request = previous;
        return request;
    }

    /// <summary>Takes out requests up to the next START; without one, no step can come any more either.</summary>
    private void EndSteps(Sequence sequence, InferRequest? first, ref List<InferRequest>? ended)
    {
        while (first is { IsSequenceStart: false })
            first = EndStep(sequence, first, ref ended);
        if (first is null)
            _table.Close(sequence);
    }

    /// <returns>The one behind it.</returns>
    private InferRequest? EndStep(Sequence sequence, InferRequest request, ref List<InferRequest>? ended)
    {
        var next = request.QueueNext;
        sequence.Remove(request);
        request.Sequence = null;
        (ended ??= []).Add(request);
        QueuedCount--;
        if (sequence.Slot < 0)
            BackloggedCount--;
        return next;
    }

    /// <summary>Leaves nothing of the requests before to the one that comes next.</summary>
    private static void Forget(Sequence sequence)
    {
        sequence.Channel = null;
        sequence.DropStates();
    }

    /// <summary>Makes a sequence of their own of the requests behind a step that still runs and was given up.</summary>
    private int Succeed(Sequence former, long now)
    {
        var heir = _table.Succeed(former);
        heir.BackloggedAt = now;
        while (former.Count > 0)
        {
            var request = former.TakeFirst();
            heir.AddLast(request);
            NoteExpiry(request, heir);
        }

        if (_slots.TryTake(heir, now))
        {
            TryMakeReady(heir, now);
            return _slots.InstanceOf(heir);
        }

        // It had its place in a slot before those that still wait for one.
        _backlog.AddFirst(heir);
        BackloggedCount += heir.Count;
        NextExpiry = Math.Min(NextExpiry, heir.ExpiresAt);
        return -1;
    }
}
