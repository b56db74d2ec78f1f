using System.Threading.Tasks.Sources;

namespace Sluice.Scheduling.RateLimit;

/// <summary>An instance's place in the rate limiter; used for one run after the other.</summary>
/// <remarks><b>Threads.</b> The instance's runner acquires and releases in turn.</remarks>
internal sealed class RateLimitedSeat(RateLimiter limiter, SeatNeed[] needs, int priority) : IValueTaskSource, IThreadPoolWorkItem, IDisposable
{
    private ManualResetValueTaskSourceCore<bool> _turn;

    public SeatNeed[] Needs => needs;

    public int Priority => priority;

    /// <summary>Runs so far, weighted; guarded by the limiter.</summary>
    public long VirtualTime { get; set; }

    /// <summary>Asks for the resources of a run; <see cref="WaitAsync"/> ends when they are there.</summary>
    public void Ask() => limiter.Ask(this);

    /// <summary>Gives them back and asks for those of the next run, as one: who has more to do is not behind others who have too.</summary>
    public void AskAgain() => limiter.AskAgain(this);

    /// <summary>Waits for what was asked for; once for each time.</summary>
    public ValueTask WaitAsync() => new(this, _turn.Version);

    /// <summary>Gives them back.</summary>
    /// <param name="isUnused">There was nothing to run; the turn does not count.</param>
    public void Release(bool isUnused = false) => limiter.Release(this, isUnused);

    /// <summary>The instance is gone.</summary>
    public void Dispose() => limiter.Remove(this);

    internal void BeginWait() => _turn.Reset();

    /// <summary>Goes on, on the pool: whoever released the resources has work of its own.</summary>
    internal void Start() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    void IThreadPoolWorkItem.Execute() => _turn.SetResult(true);

    void IValueTaskSource.GetResult(short token) => _turn.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _turn.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _turn.OnCompleted(continuation, state, token, flags);
}
