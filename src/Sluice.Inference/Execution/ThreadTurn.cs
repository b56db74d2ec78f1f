namespace Sluice.Inference;

/// <summary>Work that a thread does at the end of its turn, such as a batch of all requests that one read brought.</summary>
/// <remarks>
/// A transport's loop thread reads many requests before it writes anything. A scheduler that defers its batch to the end of
/// the turn finds all of them waiting, and the answers leave in one write, without a hop to another thread.
/// <para><b>Threads.</b> Each thread has a queue of its own, and only those that called <see cref="Enter"/> have one.</para>
/// </remarks>
public static class ThreadTurn
{
    [ThreadStatic]
    private static Queue<IThreadPoolWorkItem>? _deferred;

    /// <summary>Makes the calling thread one that runs deferred work.</summary>
    public static void Enter() => _deferred ??= new Queue<IThreadPoolWorkItem>();

    /// <summary>Defers short work to the end of the calling thread's turn.</summary>
    /// <returns>False when this thread has no turns; the caller runs the work elsewhere.</returns>
    public static bool TryDefer(IThreadPoolWorkItem work)
    {
        if (_deferred is null)
            return false;
        _deferred.Enqueue(work);
        return true;
    }

    /// <summary>Runs what has been deferred so far.</summary>
    /// <returns>True when that deferred more.</returns>
    public static bool RunDeferred()
    {
        for (var count = _deferred!.Count; count > 0; count--)
            _deferred.Dequeue().Execute();
        return _deferred.Count > 0;
    }
}
