using Sluice.Inference;

namespace Sluice.Scheduling.Dynamic;

/// <summary>A doubly linked list through the requests themselves; every operation is constant time.</summary>
/// <remarks>A request is in one list at most. <b>Threads.</b> None of its own: its owner's lock is held around every call.</remarks>
internal struct RequestList
{
    public InferRequest? First { get; private set; }

    public InferRequest? Last { get; private set; }

    public int Count { get; private set; }

    /// <summary>Puts a request behind another one; behind null = before all.</summary>
    public void Insert(InferRequest request, InferRequest? before)
    {
        var after = before is null ? First : before.QueueNext;
        request.QueuePrevious = before;
        request.QueueNext = after;
        if (before is null)
            First = request;
        else
            before.QueueNext = request;
        if (after is null)
            Last = request;
        else
            after.QueuePrevious = request;
        Count++;
    }

    /// <summary>Takes a request of the list out.</summary>
    public void Remove(InferRequest request)
    {
        if (request.QueuePrevious is { } previous)
            previous.QueueNext = request.QueueNext;
        else
            First = request.QueueNext;
        if (request.QueueNext is { } next)
            next.QueuePrevious = request.QueuePrevious;
        else
            Last = request.QueuePrevious;
        request.QueueNext = request.QueuePrevious = null;
        Count--;
    }
}
