using Sluice.Inference;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Walks over a queue in the order of taking; the caller holds the scheduler's lock.</summary>
internal struct QueueWalk(RequestQueue queue, ShapeGroup shapes) : IQueueWalk
{
    private readonly InferRequest? _first = queue.First;
    private InferRequest? _current;

    public bool TryNext(out WaitingRequest next)
    {
        _current = _current is null ? _first : queue.After(_current);
        next = _current is null
            ? default
            : new WaitingRequest(_current.RowCount, _current.QueuedAt, shapes.AreEqual(_first!, _current));
        return _current is not null;
    }
}
