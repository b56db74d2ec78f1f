using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Scheduling.Decoupled;
using Sluice.Scheduling.Dynamic;
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
        if (options.WatchdogLimit > TimeSpan.Zero)
            _watchdog = new ExecutionWatchdog(options.WatchdogLimit, TimeProvider.System, timer, logger);
    }

    /// <summary>Stops looking after the models it made.</summary>
    public void Dispose()
    {
        _stalls.Dispose();
        _watchdog?.Dispose();
    }

    /// <inheritdoc/>
    public async Task<IServable> LoadAsync(ModelLoadPlan plan, CancellationToken cancellationToken)
    {
        var draft = plan.Draft;
        if (!_backends.TryGetValue(draft.Backend, out var backend))
            throw InferenceException.Invalid(
                $"unable to find backend '{draft.Backend}' for model '{draft.Name}'; this server has: " +
                string.Join(", ", _backends.Keys.Order(StringComparer.Ordinal)));
        var model = backend.Load(draft);
        var instances = new List<IModelInstance>();
        try
        {
            var settings = plan.Complete(model.Description);
            var engineSettings = settings.ForEngine();
            foreach (var placement in Placements(settings))
            {
                cancellationToken.ThrowIfCancellationRequested();
                instances.Add(model.CreateInstance(engineSettings, placement));
            }

            if (settings.Sequence is not null)
                return Watch(new SequenceBatcher(settings, model, instances, _pool, _options, _timer, _logger));
            if (settings.IsDecoupled || instances.Any(instance => instance is IStreamingInstance))
                return new DecoupledScheduler(settings, model, instances, _pool, _options, _timer, _logger);
            var scheduler = new DynamicBatcher(settings, model, instances, _pool, _options, _timer, _logger);
            if (!instances.Exists(instance => instance is IRequestInstance))
                await new ModelWarmUp(scheduler, _logger).RunAsync(cancellationToken).ConfigureAwait(false);
            return Watch(scheduler);
        }
        catch
        {
            instances.ForEach(instance => instance.Dispose());
            model.Dispose();
            throw;
        }
    }

    private InstanceScheduler Watch(InstanceScheduler scheduler)
    {
        _stalls.Add(scheduler);
        _watchdog?.Add(scheduler);
        return scheduler;
    }

    private static IEnumerable<InstancePlacement> Placements(ModelSettings settings)
    {
        foreach (var group in settings.InstanceGroups)
        {
            var devices = group.Kind == InstanceKind.Gpu ? group.Gpus : [0];
            var index = 0;
            foreach (var device in devices)
            {
                for (var i = 0; i < group.Count; i++)
                    yield return new InstancePlacement($"{group.Name}_{index++}", group.Kind, device);
            }
        }
    }
}
