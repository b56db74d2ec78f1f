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

    /// <summary>The model has too much to do; the request says so.</summary>
    Refused,
}

/// <summary>The sequences of one model: which wait for a slot, which have a step ready, which rest.</summary>
/// <remarks>
/// <para>A sequence waits for a slot (backlog), has a step that can run (ready, by instance), runs, or rests; each of the
/// first, second and last has its list.</para>
/// <para><b>Threads.</b> None of its own: the scheduler holds its lock around every call.</para>
/// </remarks>
internal sealed partial class SequenceBook
{
    private readonly SequenceInputs _inputs;
    private readonly SequenceTable _table;
    private readonly SequenceSlots _slots;
    private readonly SequenceList _backlog = new();
    private readonly SequenceList _resting = new();
    private SequenceList[] _ready;
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

    /// <summary>The first of all requests that wait for a slot.</summary>
    public InferRequest? FirstBacklogged => _backlog.First?.First;

    /// <summary>Sequences of an instance that have a step ready, the longest ready one first.</summary>
    public SequenceList Ready(int instance) => _ready[instance];

    /// <summary>Looks whether a request may come in; nothing changes yet.</summary>
    /// <param name="request">With the row count of one.</param>
    /// <param name="sequence">What it belongs to; null = it begins another one.</param>
    public Admission Check(InferRequest request, out Sequence? sequence)
    {
        sequence = null;
        if (QueuedCount >= _maxQueued)
            return Admission.QueueFull;
        var isAnonymous = request.SequenceId == 0 && request.SequenceName.IsEmpty;
        request.IsSequenceStart |= isAnonymous;
        sequence = isAnonymous ? null : _table.Find(request);
        if (sequence is not null)
            return Admission.Taken;
        return !request.IsSequenceStart ? Admission.NoStart : _table.IsFull ? Admission.TableFull : Admission.Taken;
    }

    /// <summary>Takes a request in.</summary>
    /// <param name="request">Checked.</param>
    /// <param name="sequence">As <see cref="Check"/> gave it.</param>
    /// <param name="now">The clock.</param>
    /// <returns>The instance that has got something to do; -1 = none.</returns>
    public int Add(InferRequest request, Sequence? sequence, long now)
    {
        sequence ??= Begin(request, now);
        sequence.AddLast(request);
        QueuedCount++;
        if (request.IsSequenceEnd)
            _table.Close(sequence);
        if (sequence.Slot < 0)
            NoteBacklogged(request, sequence);
        else if (TryMakeReady(sequence, now))
            return _slots.InstanceOf(sequence);
        return -1;
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

    /// <summary>Frees the slots of sequences that have rested for too long.</summary>
    public void ReleaseResting(long now)
    {
        while (_resting.First is { } sequence && sequence.IdleSince + _idleTicks <= now)
        {
            _resting.Remove(sequence);
            Release(sequence, now);
        }
    }

    /// <summary>Takes one more instance into account; sequences that wait get its slots.</summary>
    /// <param name="instance">See <see cref="SequenceSlots.Open"/>.</param>
    /// <param name="now">The clock.</param>
    public void AddInstance(int instance, long now)
    {
        if (instance == _ready.Length)
            _ready = [.. _ready, new SequenceList()];
        _slots.Open(instance);
        while (_backlog.First is { } waiting && _slots.FindFree() is >= 0 and var slot)
            Admit(waiting, slot, now);
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

    /// <summary>Microseconds in clock ticks; huge numbers mean never.</summary>
    public static long Ticks(long microseconds) => microseconds <= long.MaxValue / 2 / Stopwatch.Frequency
        ? microseconds * Stopwatch.Frequency / 1_000_000
        : long.MaxValue / 2;

    private Sequence Begin(InferRequest request, long now)
    {
        var sequence = _table.Add(request);
        if (request.SequenceId == 0 && request.SequenceName.IsEmpty)
            request.SequenceId = sequence.Number;
        if (_backlog.Count > 0 || !_slots.TryTake(sequence, now))
            _backlog.AddLast(sequence);
        return sequence;
    }

    private void NoteBacklogged(InferRequest request, Sequence sequence)
    {
        BackloggedCount++;
        NoteExpiry(request, sequence);
        NextExpiry = Math.Min(NextExpiry, sequence.ExpiresAt);
    }

    private static void NoteExpiry(InferRequest request, Sequence sequence) =>
        sequence.ExpiresAt = Math.Min(sequence.ExpiresAt, ExpiryOf(request, sequence));

    /// <summary>Until when a request of a sequence without a slot may wait for one, from the moment on when both were there.</summary>
    private static long ExpiryOf(InferRequest request, Sequence sequence) => request.TimeoutMicroseconds > 0
        ? Math.Max(request.QueuedAt, sequence.BackloggedAt) + Ticks(request.TimeoutMicroseconds)
        : long.MaxValue;

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
            _slots.Free(sequence, now);
        _table.Remove(sequence);
        if (slot < 0 || _slots.IsClosed(_slots.InstanceOf(slot)) || _backlog.First is not { } waiting)
            return -1;
        Admit(waiting, slot, now);
        return _slots.InstanceOf(slot);
    }

    private void Admit(Sequence waiting, int slot, long now)
    {
        _backlog.Remove(waiting);
        BackloggedCount -= waiting.Count;
        _slots.Give(waiting, slot, now);
        TryMakeReady(waiting, now);
    }
}
