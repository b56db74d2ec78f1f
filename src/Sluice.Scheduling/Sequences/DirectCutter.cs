using Sluice.Inference;
using Sluice.Scheduling.Dynamic;

namespace Sluice.Scheduling.Sequences;

/// <summary>Makes batches whose rows are slots: a sequence stands in the same row of every batch, rows without a step that fits
/// are filled.</summary>
internal sealed class DirectCutter(SequenceSettings settings, SequenceSlots slots, ShapeGroup shapes, SequenceInputs inputs) : IStepCutter
{
    private const int MostIdle = 256;

    private readonly DirectPolicy _policy = new(SequenceBook.Ticks(settings.MaxQueueDelayMicroseconds), settings.MinimumSlotUtilization);
    private readonly SlotSnapshot[] _snapshot = new SlotSnapshot[slots.SlotsEach];
    private readonly Stack<InferRequest> _padding = new();
    private byte[] _zeros = [];

    public bool HasDelay => _policy.HasDelay;

    public BatchDecision Decide(SequenceList ready, int instance, long now)
    {
        Look(ready, instance);
        var decision = _policy.Decide(_snapshot, now);
        return new BatchDecision(decision.Rows, decision.Reason, decision.WaitUntil);
    }

    public void Take(SequenceBook book, InstanceRunner runner, in BatchDecision decision)
    {
        var model = book.Ready(runner.Number).First!.First!;
        for (var row = 0; row < decision.Take; row++)
        {
            if (_snapshot[row].FitsOldest)
                runner.Add(book.Take(slots.At(runner.Number, row)!));
            else
                runner.Add(Padding(model));
        }
    }

    public void Return(InferRequest padding)
    {
        padding.Reset();
        if (_padding.Count < MostIdle)
            _padding.Push(padding);
    }

    private void Look(SequenceList ready, int instance)
    {
        for (var row = 0; row < _snapshot.Length; row++)
        {
            var sequence = slots.At(instance, row);
            _snapshot[row] = sequence is null || !ReferenceEquals(sequence.List, ready)
                ? new SlotSnapshot(long.MaxValue, false)
                : new SlotSnapshot(sequence.ReadyAt, shapes.AreEqual(ready.First!.First!, sequence.First!));
        }
    }

    private InferRequest Padding(InferRequest model)
    {
        if (!_padding.TryPop(out var padding))
            padding = new InferRequest();
        var largest = SequenceInputs.LargestInput(model);
        if (_zeros.Length < largest)
            _zeros = new byte[largest];
        inputs.AttachPadding(padding, model, _zeros);
        return padding;
    }
}
