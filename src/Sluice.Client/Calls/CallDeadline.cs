namespace Sluice.Client.Calls;

/// <summary>A call's time limit together with its caller's cancellation.</summary>
/// <remarks><b>Ownership.</b> Dispose once, when the call has ended.</remarks>
internal sealed class CallDeadline : IDisposable
{
    private readonly TimeProvider _time;
    private readonly long _startedAt;
    private readonly TimeSpan? _timeout;
    private readonly CancellationTokenSource? _expiry;
    private readonly CancellationTokenSource? _either;

    public CallDeadline(TimeSpan? timeout, TimeProvider time, CancellationToken caller)
    {
        _time = time;
        _timeout = timeout;
        _startedAt = time.GetTimestamp();
        Caller = caller;
        Token = caller;
        if (timeout is not { } limit)
            return;
        _expiry = new CancellationTokenSource(limit > TimeSpan.Zero ? limit : TimeSpan.Zero, time);
        _either = CancellationTokenSource.CreateLinkedTokenSource(_expiry.Token, caller);
        Token = _either.Token;
    }

    /// <summary>The caller's own token.</summary>
    public CancellationToken Caller { get; }

    /// <summary>Fires at the deadline or when the caller cancels.</summary>
    public CancellationToken Token { get; }

    /// <summary>True when the time is up.</summary>
    public bool IsExpired => _expiry is { IsCancellationRequested: true };

    /// <summary>Time left; null = no limit.</summary>
    public TimeSpan? Left =>
        _timeout is { } limit ? TimeSpan.FromTicks(Math.Max(0, (limit - _time.GetElapsedTime(_startedAt)).Ticks)) : null;

    public void Dispose()
    {
        _either?.Dispose();
        _expiry?.Dispose();
    }
}
