using System.Diagnostics;
using Sluice.Inference;

namespace Sluice.Scheduling.Sequences;

/// <summary>How a request was taken.</summary>
internal enum Admission
{
    /// <summary>It waits for its turn.</summary>
    Taken,

    /// <summary>Its caller has gone.</summary>
    Cancelled,

    /// <summary>Its sequence is not known, and it does not begin one.</summary>
    NoStart,

    /// <summary>Too many requests wait.</summary>
    QueueFull,

    /// <summary>Too many sequences are under way.</summary>
    TableFull,
}

/// <summary>The sequences of one model: which wait for a slot, which have a step ready, which rest.</summary>
/// <remarks>
/// <para>A sequence waits for a slot (backlog), has a step that can run (ready, by instance), runs, or rests; each of the
/// first, second and last has its list.</para>
/// <para><b>Threads.</b> None of its own: the scheduler holds its lock around every call.</para>
/// </remarks>
internal sealed class SequenceBook
{
    private readonly SequenceInputs _inputs;
    private readonly SequenceTable _table;
    private readonly SequenceSlots _slots;
    private readonly SequenceList _backlog = new();
    private readonly SequenceList _resting = new();
    private readonly SequenceList[] _ready;
    private readonly bool _isIterative;
    private readonly long _idleTicks;
    private readonly int _maxQueued;

    /// <param name="sequence">What is configured.</param>
    /// <param name="inputs">Completes requests.</param>
    /// <param name="slots">All free.</param>
    /// <param name="instanceCount">1 or more.</param>
    /// <param name="options">Bounds.</param>
    public SequenceBook(
        SequenceSettings sequence, SequenceInputs inputs, SequenceSlots slots, int instanceCount, SchedulerOptions options)
    {
        _inputs = inputs;
        _slots = slots;
        _isIterative = sequence.IsIterative;
        _table = new SequenceTable(sequence.States.Length, inputs.IdType, options.MaxSequences);
        _ready = [.. Enumerable.Range(0, instanceCount).Select(_ => new SequenceList())];
        _idleTicks = Ticks(sequence.MaxIdleMicroseconds);
        _maxQueued = options.MaxQueuedRequests;
    }

    /// <summary>Sequences under way.</summary>
    public int Count => _table.Count;

    /// <summary>Those of them that wait for a slot.</summary>
    public int WaitingCount => _backlog.Count;

    /// <summary>Requests that wait, for a slot or for their turn.</summary>
    public int QueuedCount { get; private set; }

    /// <summary>Those of them whose sequence waits for a slot.</summary>
    public int BackloggedCount { get; private set; }

    /// <summary>When to look at the times again; <see cref="long.MaxValue"/> = never.</summary>
    public long NextDue => Math.Min(NextExpiry, _resting.First is { } resting ? resting.IdleSince + _idleTicks : long.MaxValue);

    private long NextExpiry { get; set; } = long.MaxValue;

    /// <summary>Sequences of an instance that have a step ready, the longest ready one first.</summary>
    public SequenceList Ready(int instance) => _ready[instance];

    /// <summary>Takes a request in.</summary>
    /// <param name="request">With the row count of one.</param>
    /// <param name="now">The clock.</param>
    /// <param name="instance">The instance that has got something to do; -1 = none.</param>
    /// <param name="isConflict">The request begins a sequence anew whose end never came.</param>
    public Admission Admit(InferRequest request, long now, out int instance, out bool isConflict)
    {
        instance = -1;
        isConflict = false;
        if (QueuedCount >= _maxQueued)
            return Admission.QueueFull;
        var isAnonymous = request.SequenceId == 0 && request.SequenceName.IsEmpty;
        request.IsSequenceStart |= isAnonymous;
        var sequence = isAnonymous ? null : _table.Find(request);
        isConflict = sequence is not null && request.IsSequenceStart;
        if (sequence is null && !request.IsSequenceStart)
            return Admission.NoStart;
        if (sequence is null && _table.IsFull)
            return Admission.TableFull;
        sequence ??= Begin(request);
        sequence.AddLast(request);
        QueuedCount++;
        if (request.IsSequenceEnd)
            _table.Close(sequence);
        if (sequence.Slot < 0)
            NoteBacklogged(request, sequence);
        else if (TryMakeReady(sequence, now))
            instance = _slots.InstanceOf(sequence);
        return Admission.Taken;
    }

    /// <summary>Takes the step of a ready sequence out; it runs from here on.</summary>
    public InferRequest Take(Sequence sequence)
    {
        sequence.List!.Remove(sequence);
        sequence.IsRunning = true;
        QueuedCount--;
        return sequence.TakeFirst();
    }

    /// <summary>A step has run.</summary>
    /// <param name="request">The step.</param>
    /// <param name="now">The clock.</param>
    /// <param name="ended">Receives requests that nothing will come of any more.</param>
    /// <returns>False when the request goes on to another step.</returns>
    public bool FinishStep(InferRequest request, long now, ref List<InferRequest>? ended)
    {
        var sequence = (Sequence)request.Sequence!;
        sequence.IsRunning = false;
        var goesOn = request.IsRescheduled && request.IsOk && !sequence.IsAborted;
        if (goesOn)
        {
            request.IsRescheduled = request.IsSequenceStart = false;
            request.QueuedAt = now;
            sequence.AddFirst(request);
            QueuedCount++;
        }

        var isOver = !goesOn && (request.IsSequenceEnd || _isIterative);
        if (isOver && !sequence.IsAborted)
        {
            // Only an iterative model's sequence may have requests behind its last.
            EndSteps(sequence, sequence.First, ref ended);
            Forget(sequence);
        }

        if (!goesOn)
            request.Sequence = null;
        if (TryMakeReady(sequence, now))
            return !goesOn;
        if (sequence.IsClosed || isOver)
        {
            Release(sequence, now);
        }
        else
        {
            sequence.IdleSince = now;
            _resting.AddLast(sequence);
        }

        return !goesOn;
    }

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
            if (Dynamic.RequestEndings.IsLate(sequence.First!, now))
                Abort(sequence.First!, now, ref ended);
            else
                kept = sequence;
        }
    }

    /// <summary>Frees the slots of sequences that have rested for too long.</summary>
    public void ReleaseResting(long now)
    {
        while (_resting.First is { } sequence && sequence.IdleSince + _idleTicks <= now)
        {
            _resting.Remove(sequence);
            Release(sequence, now);
        }
    }

    /// <summary>Forgets all that rest; the model is gone.</summary>
    public void Clear()
    {
        while (_resting.First is { } sequence)
        {
            _resting.Remove(sequence);
            _table.Remove(sequence);
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

    /// <summary>Microseconds in clock ticks; huge numbers mean never.</summary>
    public static long Ticks(long microseconds) => microseconds <= long.MaxValue / 2 / Stopwatch.Frequency
        ? microseconds * Stopwatch.Frequency / 1_000_000
        : long.MaxValue / 2;

    private Sequence Begin(InferRequest request)
    {
        var sequence = _table.Add(request);
        if (request.SequenceId == 0 && request.SequenceName.IsEmpty)
            request.SequenceId = sequence.Number;
        if (_backlog.Count > 0 || !_slots.TryTake(sequence))
            _backlog.AddLast(sequence);
        return sequence;
    }

    private void NoteBacklogged(InferRequest request, Sequence sequence)
    {
        BackloggedCount++;
        NoteExpiry(request, sequence);
        NextExpiry = Math.Min(NextExpiry, sequence.ExpiresAt);
    }

    private static void NoteExpiry(InferRequest request, Sequence sequence)
    {
        if (request.TimeoutMicroseconds > 0)
            sequence.ExpiresAt = Math.Min(sequence.ExpiresAt, request.QueuedAt + Ticks(request.TimeoutMicroseconds));
    }

    /// <summary>Gives up those of a sequence's requests, between one START and the next, of which one has waited for too long.</summary>
    private void Expire(Sequence sequence, long now, ref List<InferRequest>? expired)
    {
        sequence.ExpiresAt = long.MaxValue;
        for (var request = sequence.First; request is not null;)
        {
            var next = request.QueueNext;
            if (request.TimeoutMicroseconds > 0 && request.QueuedAt + Ticks(request.TimeoutMicroseconds) <= now)
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
        while (former.Count > 0)
        {
            var request = former.TakeFirst();
            heir.AddLast(request);
            NoteExpiry(request, heir);
        }

        if (_slots.TryTake(heir))
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

    /// <summary>Lets a sequence's next request run, if there is one and nothing of the sequence runs.</summary>
    private bool TryMakeReady(Sequence sequence, long now)
    {
        if (sequence.IsRunning || sequence.Count == 0 || ReferenceEquals(sequence.List, _ready[_slots.InstanceOf(sequence)]))
            return false;
        sequence.List?.Remove(sequence);
        sequence.ReadyAt = now;
        _inputs.Attach(sequence.First!, sequence);
        _ready[_slots.InstanceOf(sequence)].AddLast(sequence);
        return true;
    }

    /// <summary>Forgets a sequence; the one that has waited for longest gets its slot.</summary>
    private int Release(Sequence sequence, long now)
    {
        var slot = sequence.Slot;
        if (slot >= 0)
            _slots.Free(sequence);
        _table.Remove(sequence);
        if (slot < 0 || _backlog.First is not { } waiting)
            return -1;
        _backlog.Remove(waiting);
        BackloggedCount -= waiting.Count;
        _slots.Give(waiting, slot);
        TryMakeReady(waiting, now);
        return _slots.InstanceOf(waiting);
    }
}
