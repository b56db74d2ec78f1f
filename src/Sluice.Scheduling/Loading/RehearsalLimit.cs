using Sluice.Inference;
using Sluice.Scheduling.Timing;

namespace Sluice.Scheduling.Loading;

/// <summary>The patience with one rehearsed request: first its engine is told to stop, then nobody waits for it any more.</summary>
/// <remarks><b>Threads.</b> The timer's, and the one that rehearses.</remarks>
internal sealed class RehearsalLimit : ICallLifetime, ITimerTarget, IDisposable
{
    private readonly CancellationTokenSource _deadline = new();
    private readonly TaskCompletionSource _givenUp = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IDelayTimer _timer;
    private readonly long _graceTicks;
    private bool _isOver;

    /// <param name="timer">Counts.</param>
    /// <param name="limitTicks">Time of the request.</param>
    /// <param name="graceTicks">Time that the engine has to stop.</param>
    public RehearsalLimit(IDelayTimer timer, long limitTicks, long graceTicks)
    {
        _timer = timer;
        _graceTicks = graceTicks;
        timer.Schedule(this, timer.Now + limitTicks);
    }

    public CancellationToken CancellationToken => _deadline.Token;

    public bool IsDeadlineExceeded { get; private set; }

    long ITimerTarget.DueAt { get; set; } = long.MaxValue;

    /// <summary>Waits for a request, as long as there is hope.</summary>
    /// <returns>False when it still runs.</returns>
    public async Task<bool> WaitAsync(Task run) => await Task.WhenAny(run, _givenUp.Task).ConfigureAwait(false) == run;

    /// <summary>Ends the patience; a request that was given up stays cancelled.</summary>
    public void Dispose()
    {
        lock (_deadline)
            _isOver = true;
        if (!IsDeadlineExceeded)
            _deadline.Dispose();
    }

    void ITimerTarget.OnTimer()
    {
        lock (_deadline)
        {
            if (_isOver)
                return;
            if (IsDeadlineExceeded)
            {
                _givenUp.TrySetResult();
                return;
            }

            // What follows runs on the pool.
            IsDeadlineExceeded = true;
            _deadline.CancelAsync();
        }

        _timer.Schedule(this, _timer.Now + _graceTicks);
    }
}
