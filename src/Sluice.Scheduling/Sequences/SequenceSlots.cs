using Sluice.Inference;
using Sluice.Scheduling.Overload;

namespace Sluice.Scheduling.Sequences;

/// <summary>Who has which slot of which instance.</summary>
/// <remarks><b>Threads.</b> None of its own: the scheduler holds its lock around every call.</remarks>
internal sealed class SequenceSlots(int instanceCount, int slotsEach)
{
    private const int WithoutRows = 1024;

    private readonly BatchTimes _holdTimes = new();
    private int _instanceCount = instanceCount;
    private bool[] _isTaken = new bool[instanceCount * slotsEach];
    private Sequence?[] _sequences = new Sequence?[instanceCount * slotsEach];
    private long[] _since = [.. Enumerable.Repeat(long.MaxValue, instanceCount * slotsEach)];

    // Slots of instances that get no more sequences count as taken.
    private bool[] _isClosed = new bool[instanceCount];

    /// <summary>Slots of one instance.</summary>
    public int SlotsEach => slotsEach;

    /// <summary>Tells how many slots each instance of a model has.</summary>
    /// <remarks>Without batches there are no rows: the original gives such an instance one sequence at a time, which makes clients
    /// wait that hold several sequences open. Here only models that need it, and test suites that count on it, get that.</remarks>
    public static int CountOf(ModelSettings settings, ModelDescription model, SchedulerOptions options)
    {
        if (settings.Sequence!.Oldest is { } oldest)
            return oldest.MaxCandidateSequences;
        if (settings.MaxBatchSize > 0)
            return settings.MaxBatchSize;
        return model.KeepsRowState || options.HoldUntilQueued + options.HoldUntilBacklogged > 0 ? 1 : WithoutRows;
    }

    /// <summary>The slot that the next sequence gets; -1 = none is free.</summary>
    public int FindFree() => SlotPolicy.Choose(_isTaken);

    /// <summary>Gives a free slot to a sequence.</summary>
    /// <returns>False when there is none.</returns>
    public bool TryTake(Sequence sequence, long now)
    {
        var slot = FindFree();
        if (slot < 0)
            return false;
        Give(sequence, slot, now);
        return true;
    }

    /// <summary>Gives a certain slot, which is free, to a sequence.</summary>
    public void Give(Sequence sequence, int slot, long now)
    {
        sequence.Slot = slot;
        _sequences[slot] = sequence;
        _isTaken[slot] = true;
        _since[slot] = now;
    }

    /// <summary>When a sequence got its slot.</summary>
    public long TakenSince(Sequence sequence) => _since[sequence.Slot];

    /// <summary>Frees a sequence's slot, and learns for how long it was taken.</summary>
    public void Free(Sequence sequence, long now)
    {
        _holdTimes.Observe(1, now - _since[sequence.Slot]);
        _since[sequence.Slot] = long.MaxValue;
        _sequences[sequence.Slot] = null;
        _isTaken[sequence.Slot] = _isClosed[InstanceOf(sequence)];
    }

    /// <summary>Makes slots for one more instance; those that are taken keep their instance and their row.</summary>
    /// <param name="instance">The next number, or that of an instance that was closed and has no sequence.</param>
    public void Open(int instance)
    {
        if (instance == _instanceCount)
            Grow();
        _isClosed[instance] = false;
        for (var slot = instance; slot < _isTaken.Length; slot += _instanceCount)
            _isTaken[slot] = false;
    }

    /// <summary>Gives no more slots of an instance; sequences that have one keep it.</summary>
    public void Close(int instance)
    {
        _isClosed[instance] = true;
        for (var slot = instance; slot < _isTaken.Length; slot += _instanceCount)
            _isTaken[slot] = true;
    }

    /// <summary>An instance gets no more sequences.</summary>
    public bool IsClosed(int instance) => _isClosed[instance];

    /// <summary>Some sequence has a slot of an instance.</summary>
    public bool IsUsed(int instance)
    {
        for (var slot = instance; slot < _sequences.Length; slot += _instanceCount)
        {
            if (_sequences[slot] is not null)
                return true;
        }

        return false;
    }

    /// <summary>Predicts when a sequence gets a slot, all of them being taken.</summary>
    /// <param name="ahead">How many wait before it.</param>
    /// <param name="now">The clock.</param>
    /// <returns>Clock ticks; 0 = nothing is known yet.</returns>
    public long PredictWait(int ahead, long now)
    {
        // The one that has its slot for longest ends as others did; from then on they end one after the other.
        // Those of instances that go are not given again.
        var usual = _holdTimes.Predict(1);
        var (oldest, count) = (now, 0);
        for (var slot = 0; slot < _since.Length; slot++)
        {
            if (_isClosed[InstanceOf(slot)])
                continue;
            oldest = Math.Min(oldest, _since[slot]);
            count++;
        }

        return usual == 0 || count == 0 ? 0 : Math.Max(1, usual - (now - oldest)) + (ahead * usual / count);
    }

    /// <summary>The instance that runs a sequence with a slot.</summary>
    public int InstanceOf(Sequence sequence) => InstanceOf(sequence.Slot);

    /// <summary>The instance that a slot belongs to.</summary>
    public int InstanceOf(int slot) => SlotPolicy.InstanceOf(slot, _instanceCount);

    /// <summary>The row of a slot among those of its instance.</summary>
    public int RowOf(int slot) => slot / _instanceCount;

    /// <summary>The sequence in a row of an instance; null = the row is free.</summary>
    public Sequence? At(int instance, int row) => _sequences[(row * _instanceCount) + instance];

    private void Grow()
    {
        var (isTaken, sequences, since) = (_isTaken, _sequences, _since);
        var former = _instanceCount++;
        _isTaken = new bool[_instanceCount * slotsEach];
        _sequences = new Sequence?[_instanceCount * slotsEach];
        _since = [.. Enumerable.Repeat(long.MaxValue, _instanceCount * slotsEach)];
        _isClosed = [.. _isClosed, false];
        for (var old = 0; old < isTaken.Length; old++)
        {
            var slot = (old / former * _instanceCount) + SlotPolicy.InstanceOf(old, former);
            (_isTaken[slot], _sequences[slot], _since[slot]) = (isTaken[old], sequences[old], since[old]);
            if (sequences[old] is { } sequence)
                sequence.Slot = slot;
        }
    }
}
