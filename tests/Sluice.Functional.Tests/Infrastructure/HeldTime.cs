using System.Threading.Channels;

namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>The system's time, but waits of one length last until the test ends them.</summary>
internal sealed class HeldTime(TimeSpan held) : TimeProvider
{
    private readonly Channel<Action> _waits = Channel.CreateUnbounded<Action>();
    private readonly Lock _gate = new();
    private bool _isOver;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime != held)
            return base.CreateTimer(callback, state, dueTime, period);
        lock (_gate)
        {
            var timer = base.CreateTimer(callback, state, _isOver ? TimeSpan.Zero : Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            if (!_isOver)
                _waits.Writer.TryWrite(() => timer.Change(TimeSpan.Zero, Timeout.InfiniteTimeSpan));
            return timer;
        }
    }

    /// <summary>Waits for the next wait to begin.</summary>
    /// <returns>What ends it.</returns>
    public async Task<Action> NextAsync() => await _waits.Reader.ReadAsync().AsTask().WaitAsync(ServerFixture.Patience);

    /// <summary>Ends the waits under way; those to come end at once.</summary>
    public void EndAll()
    {
        lock (_gate)
        {
            _isOver = true;
            while (_waits.Reader.TryRead(out var end))
                end();
        }
    }
}
