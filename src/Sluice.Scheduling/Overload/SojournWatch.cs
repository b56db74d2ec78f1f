namespace Sluice.Scheduling.Overload;

/// <summary>Tells a queue that stands from one that only takes up bursts, by the shortest time that requests wait (controlled delay,
/// Nichols and Jacobson 2012).</summary>
/// <remarks><b>Threads.</b> None of its own: the scheduler that owns it holds its lock.</remarks>
internal sealed class SojournWatch(long intervalTicks)
{
    private long _aboveSince;

    /// <summary>Every request of the last interval has waited too long.</summary>
    public bool IsOverloaded { get; private set; }

    /// <summary>Looks at the queue when an instance takes from it.</summary>
    /// <param name="waited">How long the next request has waited; 0 when none is there.</param>
    /// <param name="target">What is still good, clock ticks.</param>
    /// <param name="now">The clock.</param>
    public void Observe(long waited, long target, long now)
    {
        if (waited <= target)
        {
            _aboveSince = 0;
            IsOverloaded = false;
        }
        else if (_aboveSince == 0)
        {
            _aboveSince = Math.Max(1, now);
        }
        else if (now - _aboveSince >= intervalTicks)
        {
            IsOverloaded = true;
        }
    }
}
