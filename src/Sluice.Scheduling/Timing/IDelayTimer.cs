namespace Sluice.Scheduling.Timing;

/// <summary>Wakes schedulers at moments that are microseconds away.</summary>
/// <remarks>The runtime's timers count milliseconds; a batch delay of 100 µs would become twenty times that.</remarks>
public interface IDelayTimer
{
    /// <summary>The clock that due times refer to, ticks of <see cref="System.Diagnostics.Stopwatch"/>.</summary>
    long Now { get; }

    /// <summary>Calls back once at a moment, or soon after. A newer call for the same target replaces the older one if it
    /// is earlier.</summary>
    /// <param name="target">Called on the timer's thread; it must only start work, not do it.</param>
    /// <param name="dueAt">On the clock of <see cref="Now"/>.</param>
    void Schedule(ITimerTarget target, long dueAt);
}

/// <summary>Is called by an <see cref="IDelayTimer"/>.</summary>
public interface ITimerTarget
{
    /// <summary>When the pending call is due; <see cref="long.MaxValue"/> = none. Belongs to the timer.</summary>
    long DueAt { get; set; }

    /// <summary>The moment has come.</summary>
    void OnTimer();
}
