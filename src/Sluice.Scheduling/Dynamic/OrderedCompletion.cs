using Sluice.Inference;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Completes batches in the order in which they were cut, whichever instance is done first.</summary>
/// <remarks>Used only for models that preserve ordering. Answers are given on the pool, one batch
/// after the other: an instance goes on with its work, and a waiter may dispose the model without meeting its thread.</remarks>
internal sealed class OrderedCompletion : IThreadPoolWorkItem
{
    private readonly Dictionary<long, InferRequest[]> _done = [];
    private long _nextTicket;
    private long _nextToComplete;
    private bool _isCompleting;

    /// <summary>Gives the next place in the order; called under the scheduler's lock when a batch is cut.</summary>
    public long TakeTicket() => _nextTicket++;

    /// <summary>Completes a batch's requests when their turn comes.</summary>
    public void Complete(long ticket, ReadOnlySpan<InferRequest> requests)
    {
        lock (_done)
        {
            _done.Add(ticket, requests.ToArray());
            if (_isCompleting || ticket != _nextToComplete)
                return;
            _isCompleting = true;
        }

        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute()
    {
        while (true)
        {
            InferRequest[]? next;
            lock (_done)
            {
                if (!_done.Remove(_nextToComplete, out next))
                {
                    _isCompleting = false;
                    return;
                }

                _nextToComplete++;
            }

            foreach (var request in next)
                request.Complete();
        }
    }
}
