using Sluice.Inference;
using Sluice.Scheduling.Dynamic;

namespace Sluice.Scheduling.Sequences;

/// <summary>Makes batches of steps that are ready; one strategy each.</summary>
/// <remarks><b>Threads.</b> None of its own: the scheduler holds its lock around every call.</remarks>
internal interface IStepCutter
{
    /// <summary>Steps may have to wait for others.</summary>
    bool HasDelay { get; }

    /// <summary>Looks whether an instance has a batch now.</summary>
    /// <param name="ready">The instance's ready sequences, at least one.</param>
    /// <param name="instance">Which instance.</param>
    /// <param name="now">The clock.</param>
    /// <returns>Nothing to take when it is not yet time.</returns>
    BatchDecision Decide(SequenceList ready, int instance, long now);

    /// <summary>Puts the decided batch into a runner.</summary>
    void Take(SequenceBook book, InstanceRunner runner, in BatchDecision decision);

    /// <summary>Takes back a request that only filled a row.</summary>
    void Return(InferRequest padding);
}
