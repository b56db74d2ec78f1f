using Sluice.Inference;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Completes batches in the order in which they were cut, whichever instance is done first.</summary>
/// <remarks>Used only for models that preserve ordering and have several instances.</remarks>
internal sealed class OrderedCompletion
{
    private readonly Dictionary<long, InferRequest[]> _done = [];
    private long _nextTicket;
    private long _nextToComplete;
    private bool _isCompleting;

    /// <summary>Gives the next place in the order; called under the scheduler's lock when a batch is cut.</summary>
    public long TakeTicket() => _nextTicket++;

    /// <summary>Completes a batch's requests, or leaves them until their turn.</summary>
    public void Complete(long ticket, ReadOnlySpan<InferRequest> requests)
    {
        lock (_done)
        {
            _done.Add(ticket, requests.ToArray());
            if (_isCompleting)
                return;
            _isCompleting = true;
        }

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
