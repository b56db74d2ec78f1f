using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Scheduling.Dynamic;
using Sluice.Scheduling.Timing;
using Sluice.Tensors;

namespace Sluice.Scheduling.Loading;

/// <summary>Runs requests that a model's predecessor has taken on every instance of the model, so that it is warm for what it will get.</summary>
/// <remarks>
/// <para>No request begins after <see cref="Budget"/>; one that takes longer than <see cref="Limit"/> is stopped, and given up
/// <see cref="Grace"/> later: a model that has an instance left is never held up for longer than the three together.</para>
/// <para>Each instance is lent to a scheduler of its own for the time, so that none is left out and nothing is counted.</para>
/// </remarks>
internal sealed class Rehearsal(ModelSettings settings, TensorBufferPool pool, SchedulerOptions options, IDelayTimer timer, ILogger logger)
{
    /// <summary>Time in which requests begin, of all instances together.</summary>
    public static readonly TimeSpan Budget = TimeSpan.FromSeconds(1);

    /// <summary>Time of one request.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);

    /// <summary>Time in which an engine stops that was told to.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(0.5);

    /// <summary>Time in which the first instance has to come back, when all are busy with requests that were given up.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    // The test hooks hold clients' requests, not these; on this thread one could not be given up.
    private readonly SchedulerOptions _options = options with
    {
        HoldUntilQueued = 0,
        HoldUntilBacklogged = 0,
        InlineLimit = TimeSpan.FromMicroseconds(-1),
    };

    // One request after the other: company is not to be waited for.
    private readonly ModelSettings _settings = settings.DynamicBatching is { } batching
        ? settings with { DynamicBatching = batching with { MaxQueueDelayMicroseconds = 0 } }
        : settings;

    private int _served;
    private int _refused;
    private int _late;
    private int _left;

    /// <summary>Runs the requests. One that the model refuses is no failure: the model may have become another.</summary>
    /// <param name="model">The opened model.</param>
    /// <param name="instances">Its instances; neither is disposed.</param>
    /// <param name="recent">What the predecessor has taken.</param>
    /// <param name="cancellationToken">The server is stopping: no more of them begin.</param>
    /// <returns>For each instance what it is still busy with, not to be used before; null = nothing.</returns>
    public async Task<Task?[]> RunAsync(
        IBackendModel model, IReadOnlyList<IModelInstance> instances, IReadOnlyList<RecordedInput[]> recent, CancellationToken cancellationToken)
    {
        var busy = new Task?[instances.Count];
        if (recent.Count == 0)
            return busy;
        var started = timer.Now;
        for (var i = 0; i < instances.Count; i++)
        {
            // What others are busy with must not be forgotten.
            try
            {
                busy[i] = await RunAsync(model, instances[i], recent, started, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception error)
            {
                SchedulingLog.RehearsalFailed(logger, settings.Name, i, error);
            }
        }

        SchedulingLog.Rehearsed(logger, settings.Name, _served, _refused, _late, _left);
        var busyCount = busy.Count(task => task is not null);
        if (busyCount > 0)
            SchedulingLog.RehearsalHangs(logger, settings.Name, busyCount, instances.Count);
        return busy;
    }

    /// <summary>Waits for the first instance to come back, when none is free: a model without one would hold up all calls.</summary>
    /// <param name="returns">Of all instances; each ends when its instance can be used.</param>
    /// <param name="cancellationToken">The server is stopping.</param>
    /// <exception cref="InferenceException"><see cref="InferenceCode.Unavailable"/>: none came back within <see cref="Patience"/>.</exception>
    public async Task WaitForOneAsync(IReadOnlyList<Task> returns, CancellationToken cancellationToken)
    {
        using var limit = new RehearsalLimit(timer, Ticks(Patience - Grace), Ticks(Grace));
        if (!await limit.WaitAsync(Task.WhenAny(returns)).WaitAsync(cancellationToken).ConfigureAwait(false))
            throw new InferenceException(
                InferenceCode.Unavailable,
                string.Create(CultureInfo.InvariantCulture, $"model '{settings.Name}' cannot serve: after {Patience.TotalSeconds} s all of its instances ({returns.Count}) are still busy with requests that its predecessor had taken, that take too long and do not stop"));
    }

    /// <summary>Runs the requests on one instance.</summary>
    /// <returns>Ends when the instance is free; null = it is.</returns>
    private async Task<Task?> RunAsync(
        IBackendModel model, IModelInstance instance, IReadOnlyList<RecordedInput[]> recent, long started, CancellationToken cancellationToken)
    {
        var scheduler = new DynamicBatcher(_settings, new LentModel(model), [LentInstance.Of(instance)], pool, _options, timer, logger);
        Task? busy = null;
        foreach (var inputs in recent)
        {
            if (busy is not null || cancellationToken.IsCancellationRequested || Stopwatch.GetElapsedTime(started, timer.Now) >= Budget)
                _left++;
            else
                busy = await RunAsync(scheduler, inputs).ConfigureAwait(false);
        }

        // A scheduler ends with its instance, which may never come to an end.
        if (busy is not null)
            return EndAsync(scheduler, busy);
        await scheduler.DisposeAsync().ConfigureAwait(false);
        return null;
    }

    /// <summary>Runs one request.</summary>
    /// <returns>Its end, when it was given up; else null.</returns>
    private async Task<Task?> RunAsync(DynamicBatcher scheduler, RecordedInput[] inputs)
    {
        var request = new InferRequest();
        try
        {
            foreach (var input in inputs)
                WarmUpSamples.Add(request, input.Name, input.DataType, input.Shape, input.Data);
            RequestBinder.Bind(request, settings);
        }
        catch (InferenceException)
        {
            _refused++;
            request.Reset();
            return null;
        }

        using var limit = new RehearsalLimit(timer, Ticks(Limit), Ticks(Grace));
        request.Lifetime = limit;
        var run = scheduler.ExecuteAsync(request).AsTask();
        if (!await limit.WaitAsync(run).ConfigureAwait(false))
        {
            _late++;
            return EndAsync(request, run);
        }

        if (request.IsOk)
            _served++;
        else if (limit.IsDeadlineExceeded)
            _late++;
        else
            _refused++;
        request.Reset();
        return null;
    }

    private static async Task EndAsync(InferRequest request, Task run)
    {
        await run.ConfigureAwait(false);
        request.Reset();
    }

    private static async Task EndAsync(DynamicBatcher scheduler, Task busy)
    {
        await busy.ConfigureAwait(false);
        await scheduler.DisposeAsync().ConfigureAwait(false);
    }

    private static long Ticks(TimeSpan time) => (long)(time.TotalSeconds * Stopwatch.Frequency);
}
