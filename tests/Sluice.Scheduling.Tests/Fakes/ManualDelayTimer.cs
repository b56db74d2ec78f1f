using System.Diagnostics;
using Sluice.Scheduling.Timing;

namespace Sluice.Scheduling.Tests;

/// <summary>A clock that moves only when told, with the rules of <see cref="IDelayTimer"/>.</summary>
internal sealed class ManualDelayTimer : IDelayTimer
{
    private readonly List<ITimerTarget> _targets = [];
    private long _now = 7_000_000_011;

    public long Now => Volatile.Read(ref _now);

    /// <summary>The earliest pending call; <see cref="long.MaxValue"/> = none.</summary>
    public long DueAt
    {
        get
        {
            lock (_targets)
                return _targets.Count == 0 ? long.MaxValue : _targets.Min(target => target.DueAt);
        }
    }

    public static long Ticks(double microseconds) => (long)(microseconds * Stopwatch.Frequency / 1e6);

    public void Schedule(ITimerTarget target, long dueAt)
    {
        lock (_targets)
        {
            if (target.DueAt <= dueAt)
                return;
            target.DueAt = dueAt;
            if (!_targets.Contains(target))
                _targets.Add(target);
        }
    }

    /// <summary>Moves time on and calls, on this thread and in order, what falls due.</summary>
    public void Advance(double microseconds)
    {
        var end = Now + Ticks(microseconds);
        while (TakeDue(end) is var (target, dueAt) && target is not null)
        {
            Volatile.Write(ref _now, Math.Max(Now, dueAt));
            target.OnTimer();
        }

        Volatile.Write(ref _now, end);
    }

    /// <summary>Moves time on as a late timer thread would: nothing is called.</summary>
    public void AdvanceSilently(double microseconds) => Volatile.Write(ref _now, Now + Ticks(microseconds));

    private (ITimerTarget? Target, long DueAt) TakeDue(long end)
    {
        lock (_targets)
        {
            var target = _targets.MinBy(candidate => candidate.DueAt);
            if (target is null || target.DueAt > end)
                return default;
            var dueAt = target.DueAt;
            _targets.Remove(target);
            target.DueAt = long.MaxValue;
            return (target, dueAt);
        }
    }
}
