using Sluice.Inference;
using Sluice.Scheduling.Dynamic;

namespace Sluice.Scheduling.Sequences;

/// <summary>Batches the steps that have been ready for longest, at most one of each sequence.</summary>
internal sealed class OldestCutter(int maxBatchSize, OldestSettings settings, ShapeGroup shapes) : IStepCutter
{
    private readonly BatchPolicy _policy = new(
        Math.Max(1, maxBatchSize), settings.PreferredBatchSizes, SequenceBook.Ticks(settings.MaxQueueDelayMicroseconds));

    public bool HasDelay => _policy.HasDelay;

    public BatchDecision Decide(SequenceList ready, int instance, long now)
    {
        var walk = new ReadyWalk(ready, shapes);
        return _policy.Decide(ref walk, now);
    }

    public void Take(SequenceBook book, InstanceRunner runner, in BatchDecision decision)
    {
        var ready = book.Ready(runner.Number);
        for (var i = 0; i < decision.Take; i++)
            runner.Add(book.Take(ready.First!));
    }

    public void Return(InferRequest padding) => throw new NotSupportedException("no rows are filled");

    /// <summary>Walks over ready steps, the longest ready one first.</summary>
    private struct ReadyWalk(SequenceList ready, ShapeGroup shapes) : IQueueWalk
    {
        private Sequence? _current;

        public bool TryNext(out WaitingRequest next)
        {
            _current = _current is null ? ready.First : _current.Next;
            next = _current is null
                ? default
                : new WaitingRequest(1, _current.ReadyAt, shapes.AreEqual(ready.First!.First!, _current.First!));
            return _current is not null;
        }
    }
}
