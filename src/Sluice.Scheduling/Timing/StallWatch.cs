using System.Diagnostics;

namespace Sluice.Scheduling.Timing;

/// <summary>Comes round a few times a second and looks for models whose execution takes unusually long.</summary>
/// <remarks>
/// Requests of cheap models are not watched for cancellation, because they are over before it could matter. When such a model
/// stalls, its requests are watched from then on: a caller who leaves, or a deadline that passes, ends the execution.
/// </remarks>
internal sealed class StallWatch : IDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(50);

    private readonly List<InstanceScheduler> _models = [];
    private readonly ITimer _timer;
    private readonly IDelayTimer _clock;

    /// <param name="time">Wakes it.</param>
    /// <param name="clock">The schedulers' clock.</param>
    public StallWatch(TimeProvider time, IDelayTimer clock)
    {
        _clock = clock;
        _timer = time.CreateTimer(static watch => ((StallWatch)watch!).Look(), this, Period, Period);
    }

    /// <summary>Looks at a model from now on, until it is disposed.</summary>
    public void Add(InstanceScheduler model)
    {
        lock (_models)
            _models.Add(model);
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        var executingSince = _clock.Now - (Period.Ticks * Stopwatch.Frequency / TimeSpan.TicksPerSecond);
        lock (_models)
            _models.RemoveAll(model => !model.WatchStalled(executingSince));
    }
}
