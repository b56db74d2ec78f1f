namespace Sluice.Scheduling.Sequences;

/// <summary>Decides which slot a new sequence gets. A pure function.</summary>
/// <remarks>Slots are counted through the instances, all first slots before all second ones: new sequences spread over the
/// instances, and batches stay short because low slots are used first (spec §3.5).</remarks>
internal static class SlotPolicy
{
    /// <summary>Chooses a slot.</summary>
    /// <param name="isTaken">Every slot of the model.</param>
    /// <returns>Index of the slot; -1 = the sequence has to wait.</returns>
    public static int Choose(ReadOnlySpan<bool> isTaken) => isTaken.IndexOf(false);

    /// <summary>The instance that a slot belongs to.</summary>
    public static int InstanceOf(int slot, int instanceCount) => slot % instanceCount;

}
