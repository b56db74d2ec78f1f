using System.Collections.Immutable;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Scheduling.Cache;
using Sluice.Scheduling.Decoupled;
using Sluice.Scheduling.Dynamic;
using Sluice.Scheduling.Ensemble;
using Sluice.Scheduling.RateLimit;
using Sluice.Scheduling.Sequences;
using Sluice.Scheduling.Timing;
using Sluice.Tensors;

namespace Sluice.Scheduling.Loading;

/// <summary>Makes a model version servable: opens its file, creates its instances, puts a scheduler before them, warms it.</summary>
/// <remarks><b>Threads.</b> Loads run in parallel, each on a thread that may block.</remarks>
public sealed class ModelLoader : IModelLoader, IDisposable
{
    private readonly ImmutableDictionary<string, IBackend> _backends;
    private readonly TensorBufferPool _pool;
    private readonly SchedulerOptions _options;
    private readonly IDelayTimer _timer;
    private readonly StallWatch _stalls;
    private readonly ExecutionWatchdog? _watchdog;
    private readonly ResponseCache? _cache;
    private readonly RateLimiter? _limiter;
    private readonly ILogger _logger;

    /// <summary>Creates a loader.</summary>
    /// <param name="backends">The engines; owned by the caller.</param>
    /// <param name="pool">Memory for tensors.</param>
    /// <param name="options">Choices for all models.</param>
    /// <param name="timer">Wakes schedulers.</param>
    /// <param name="logger">For warnings about models.</param>
    public ModelLoader(
        IEnumerable<IBackend> backends, TensorBufferPool pool, SchedulerOptions options, IDelayTimer timer,
        ILogger<ModelLoader> logger)
    {
        _backends = backends.ToImmutableDictionary(backend => backend.Name, StringComparer.Ordinal);
        _pool = pool;
        _options = options;
        _timer = timer;
        _stalls = new StallWatch(TimeProvider.System, timer);
        _logger = logger;
        if (options.Cache.SizeBytes > 0)
            _cache = new ResponseCache(options.Cache, pool, timer);
        if (options.RateLimit.IsOn)
            _limiter = new RateLimiter(options.RateLimit);
        if (options.WatchdogLimit > TimeSpan.Zero)
            _watchdog = new ExecutionWatchdog(options.WatchdogLimit, TimeProvider.System, timer, logger);
    }

    /// <summary>Stops looking after the models it made.</summary>
    public void Dispose()
    {
        _stalls.Dispose();
        _watchdog?.Dispose();
        _cache?.Dispose();
    }

    /// <inheritdoc/>
    public async Task<IServable> LoadAsync(ModelLoadPlan plan, CancellationToken cancellationToken)
    {
        var draft = plan.Draft;
        if (draft.Ensemble is not null)
            return await LoadEnsembleAsync(plan, cancellationToken).ConfigureAwait(false);
        if (!_backends.TryGetValue(draft.Backend, out var backend))
            throw InferenceException.Invalid(
                $"unable to find backend '{draft.Backend}' for model '{draft.Name}'; this server has: " +
                string.Join(", ", _backends.Keys.Order(StringComparer.Ordinal)));
        var model = backend.Load(draft);
        var instances = new InstanceMaker(_limiter);
        DynamicBatcher? scheduler = null;
        var returns = new List<Task>();
        try
        {
            var settings = plan.Complete(model.Description);
            instances.Create(model, settings.ForEngine(), InstanceMaker.Placements(settings), cancellationToken);
            await WarmUpAsync(settings, model, instances.Instances, cancellationToken).ConfigureAwait(false);
            if (settings.Sequence is null && (settings.IsDecoupled || instances.Instances.Any(instance => instance is IStreamingInstance)))
            {
                var decoupled = new DecoupledScheduler(settings, model, instances.Instances, _pool, _options, _timer, _logger);
                decoupled.Assign(instances.Seats);
                return decoupled;
            }

            if (settings.Sequence is not null)
                return Watch(new SequenceBatcher(settings, model, instances.Instances, _pool, _options, _timer, _logger), instances.Seats);
            scheduler = new DynamicBatcher(settings, model, instances.Instances, _pool, _options, _timer, _logger);

            // Code of users may do more than compute: nothing of it is run that nobody has asked for.
            var isPure = instances.Instances.TrueForAll(instance => instance is not IRequestInstance && instance.MayRehearse);
            if (settings.WarmUp.IsEmpty && isPure)
                await new ModelWarmUp(scheduler, _logger).RunAsync(cancellationToken).ConfigureAwait(false);
            if (isPure && _options.RecentRequestCount > 0)
            {
                var rehearsal = new Rehearsal(settings, _pool, _options, _timer, _logger);
                var busy = await rehearsal.RunAsync(model, instances.Instances, RecentOf(plan.Predecessor), cancellationToken).ConfigureAwait(false);
                for (var i = 0; i < busy.Length; i++)
                {
                    if (busy[i] is { } task)
                        returns.Add(scheduler.Withhold(i, task));
                }

                if (returns.Count == busy.Length)
                    await rehearsal.WaitForOneAsync(returns, cancellationToken).ConfigureAwait(false);
                scheduler.Recent = new RecentRequests(_options.RecentRequestCount, Stopwatch.Frequency);
            }

            return Cached(Watch(scheduler, instances.Seats));
        }
        catch when (scheduler is not null)
        {
            // It owns the rest by now.
            scheduler.Assign(instances.Seats);
            var disposal = DisposeAsync(scheduler);

            // An instance that executes is disposed at its end, which may be far away.
            if (returns.TrueForAll(task => task.IsCompleted))
                await disposal.ConfigureAwait(false);
            throw;
        }
        catch
        {
            instances.Dispose();
            model.Dispose();
            throw;
        }
    }

    /// <summary>Disposes what has failed to load; faults are told to the log alone.</summary>
    private async Task DisposeAsync(DynamicBatcher scheduler)
    {
        try
        {
            await scheduler.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception error)
        {
            SchedulingLog.DisposalFailed(_logger, scheduler.Settings.Name, error);
        }
    }

    private InstanceScheduler Watch(InstanceScheduler scheduler, IReadOnlyList<InstanceSeat> seats)
    {
        scheduler.Assign(seats);
        _stalls.Add(scheduler);
        _watchdog?.Add(scheduler);
        return scheduler;
    }

    /// <inheritdoc/>
    public async Task<bool> TryResizeAsync(IServable servable, ModelLoadPlan plan, CancellationToken cancellationToken)
    {
        if (Uncached(servable) is not ModelScheduler { CanResize: true } scheduler)
            return false;
        var settings = plan.Complete(scheduler.OpenedModel.Description);
        var surplus = scheduler.Seats.ToList();
        var missing = new List<(InstancePlacement Placement, RateLimitSettings? Needs)>();
        foreach (var wanted in InstanceMaker.Placements(settings))
        {
            var found = surplus.FindIndex(seat => seat.Kind == InstanceSeat.KindOf(wanted.Placement, wanted.Needs));
            if (found < 0)
                missing.Add(wanted);
            else
                surplus.RemoveAt(found);
        }

        var added = new InstanceMaker(_limiter);
        try
        {
            added.Create(scheduler.OpenedModel, scheduler.EngineSettings, missing, cancellationToken);
            await WarmUpAsync(settings, scheduler.OpenedModel, added.Instances, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            added.Dispose();
            throw;
        }

        foreach (var (instance, seat) in added.Instances.Zip(added.Seats))
            scheduler.Add(instance, seat);
        foreach (var seat in surplus)
            scheduler.Remove(seat);
        return true;
    }

    private async Task<IServable> LoadEnsembleAsync(ModelLoadPlan plan, CancellationToken cancellationToken)
    {
        var settings = plan.Complete(new ModelDescription([], []) { IsOpen = true });
        var scheduler = new EnsembleScheduler(settings, plan.Models!, _pool, _options, _timer, _logger);
        await new WarmUpSamples(settings, _pool, _options, _timer, _logger).RunAsync(scheduler, cancellationToken).ConfigureAwait(false);
        return Cached(scheduler);
    }

    private Task WarmUpAsync(
        ModelSettings settings, IBackendModel model, IEnumerable<IModelInstance> instances, CancellationToken cancellationToken) =>
        settings.WarmUp.IsEmpty
            ? Task.CompletedTask
            : new WarmUpSamples(settings, _pool, _options, _timer, _logger).RunAsync(model, instances, cancellationToken);

    private static IReadOnlyList<RecordedInput[]> RecentOf(IServable? predecessor) =>
        (Uncached(predecessor) as DynamicBatcher)?.Recent?.List() ?? [];

    private static IServable? Uncached(IServable? servable) => servable is CachedModel cached ? cached.Inner : servable;

    private IServable Cached(IServable scheduler) =>
        _cache is not null && scheduler.Settings.UsesResponseCache ? new CachedModel(scheduler, _cache) : scheduler;
}
