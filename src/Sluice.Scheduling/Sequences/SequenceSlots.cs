using Sluice.Inference;

namespace Sluice.Scheduling.Sequences;

/// <summary>Who has which slot of which instance.</summary>
/// <remarks><b>Threads.</b> None of its own: the scheduler holds its lock around every call.</remarks>
internal sealed class SequenceSlots(int instanceCount, int slotsEach)
{
    private const int WithoutRows = 1024;

    private readonly bool[] _isTaken = new bool[instanceCount * slotsEach];
    private readonly Sequence?[] _sequences = new Sequence?[instanceCount * slotsEach];

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

    /// <summary>Gives a free slot to a sequence.</summary>
    /// <returns>False when there is none.</returns>
    public bool TryTake(Sequence sequence)
    {
        var slot = SlotPolicy.Choose(_isTaken);
        if (slot < 0)
            return false;
        Give(sequence, slot);
        return true;
    }

    /// <summary>Gives a certain slot, which is free, to a sequence.</summary>
    public void Give(Sequence sequence, int slot)
    {
        sequence.Slot = slot;
        _sequences[slot] = sequence;
        _isTaken[slot] = true;
    }

    /// <summary>Frees a sequence's slot.</summary>
    public void Free(Sequence sequence)
    {
        _sequences[sequence.Slot] = null;
        _isTaken[sequence.Slot] = false;
    }

    /// <summary>The instance that runs a sequence with a slot.</summary>
    public int InstanceOf(Sequence sequence) => SlotPolicy.InstanceOf(sequence.Slot, instanceCount);

    /// <summary>The sequence in a row of an instance; null = the row is free.</summary>
    public Sequence? At(int instance, int row) => _sequences[(row * instanceCount) + instance];
}
