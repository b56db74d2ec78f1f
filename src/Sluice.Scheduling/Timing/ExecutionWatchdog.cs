using System.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Sluice.Scheduling.Timing;

/// <summary>Tells of executions that do not end; their model is not ready while they last.</summary>
/// <remarks>It stops nothing: an engine that hangs cannot be asked to, and one that is slow may still finish.</remarks>
internal sealed class ExecutionWatchdog : IDisposable
{
    // Told late by this share of the limit at most.
    private const int LooksPerLimit = 4;

    private readonly List<InstanceScheduler> _models = [];
    private readonly ITimer _timer;
    private readonly IDelayTimer _clock;
    private readonly ILogger _logger;
    private readonly long _limitTicks;

    /// <param name="limit">More than zero.</param>
    /// <param name="time">Wakes it.</param>
    /// <param name="clock">The schedulers' clock.</param>
    /// <param name="logger">Where it tells.</param>
    public ExecutionWatchdog(TimeSpan limit, TimeProvider time, IDelayTimer clock, ILogger logger)
    {
        _clock = clock;
        _logger = logger;
        _limitTicks = (long)(limit.TotalSeconds * Stopwatch.Frequency);
        _timer = time.CreateTimer(static watchdog => ((ExecutionWatchdog)watchdog!).Look(), this, limit / LooksPerLimit, limit / LooksPerLimit);
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
        lock (_models)
        {
            _models.RemoveAll(model => model.IsDisposed);
            foreach (var model in _models)
                Look(model, _clock.Now);
        }
    }

    private void Look(InstanceScheduler model, long now)
    {
        var hanging = 0;
        lock (model.Gate)
        {
            foreach (var runner in model.Runners)
            {
                if (!runner.IsExecuting || now - runner.StartedAt < _limitTicks)
                    continue;
                hanging++;
                if (runner.ToldOf == runner.StartedAt)
                    continue;
                runner.ToldOf = runner.StartedAt;
                var seconds = Stopwatch.GetElapsedTime(runner.StartedAt, now).TotalSeconds;
                SchedulingLog.ExecutionHangs(_logger, model.Settings.Name, runner.Name, seconds);
            }
        }

        if (hanging == 0 && model.HangingCount > 0)
            SchedulingLog.ExecutionGoesOn(_logger, model.Settings.Name);
        model.HangingCount = hanging;
    }
}
