using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Scheduling.Timing;
using Sluice.Tensors;

namespace Sluice.Scheduling.Ensemble;

/// <summary>Serves a model that consists of other models: a step runs as soon as everything that it takes is there (spec §3.5).</summary>
/// <remarks>
/// <para>It has no queue: requests wait in those of the steps' models, with the client's priority, time-out, sequence and deadline.</para>
/// <para><b>Threads.</b> Any number of callers.</para>
/// </remarks>
public sealed class EnsembleScheduler : IServable
{
    private const int MaxIdleRuns = 1024;

    /// <summary>Responses of a decoupled step under way in one request, where the configuration does not say.</summary>
    private const int DefaultInflight = 64;

    private readonly Stack<EnsembleRun> _idle = new();
    private readonly IDelayTimer _timer;

    /// <summary>Checks the ensemble and makes it servable.</summary>
    /// <param name="settings">Completed settings, with <see cref="ModelSettings.Ensemble"/>.</param>
    /// <param name="models">Where the steps' models are, now and at each request.</param>
    /// <param name="pool">Memory for what lies in clients' shared memory.</param>
    /// <param name="options">Choices for all models.</param>
    /// <param name="timer">The clock.</param>
    /// <param name="logger">For failures.</param>
    /// <exception cref="InferenceException"><see cref="InferenceCode.InvalidArgument"/>: the ensemble and its models do not fit.</exception>
    public EnsembleScheduler(
        ModelSettings settings, ModelTable models, TensorBufferPool pool, SchedulerOptions options, IDelayTimer timer, ILogger logger)
    {
        Plan = EnsemblePlanner.Plan(settings, step => Find(models, step));
        Settings = settings with
        {
            Outputs = [.. settings.Outputs.Select((output, i) => output with { Labels = Plan.Labels[i] })],
        };
        Models = models;
        Pool = pool;
        Logger = logger;
        Statistics = new ModelStatistics(settings.MaxBatchSize, options.KeepsStageLatencies);
        MaxInflight = settings.Ensemble!.MaxInflightRequests is > 0 and var bound ? bound : DefaultInflight;
        _timer = timer;
    }

    /// <inheritdoc/>
    public ModelSettings Settings { get; }

    /// <inheritdoc/>
    public ModelStatistics Statistics { get; }

    /// <inheritdoc/>
    public bool IsHealthy => Array.TrueForAll(Plan.Steps, step => Models.IsReady(step.ModelName, step.Version, out _));

    internal EnsemblePlan Plan { get; }

    internal ModelTable Models { get; }

    internal TensorBufferPool Pool { get; }

    internal ILogger Logger { get; }

    internal int MaxInflight { get; }

    internal long Now => _timer.Now;

    /// <inheritdoc/>
    public ValueTask ExecuteAsync(InferRequest request)
    {
        request.QueuedAt = Now;
        if (request.ReceivedAt == 0)
            request.ReceivedAt = request.QueuedAt;
        request.Trace?.Mark("QUEUE_START", request.QueuedAt);
        return Rent().StartAsync(request);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    internal void Return(EnsembleRun run)
    {
        lock (_idle)
        {
            if (_idle.Count < MaxIdleRuns)
                _idle.Push(run);
        }
    }

    private EnsembleRun Rent()
    {
        lock (_idle)
        {
            if (_idle.TryPop(out var run))
                return run;
        }

        return new EnsembleRun(this);
    }

    private static ModelSettings? Find(ModelTable models, EnsembleStepSettings step)
    {
        var snapshot = models.Find(step.ModelName);
        return (step.Version < 1 ? snapshot?.Latest : snapshot?.Find(step.Version))?.Servable?.Settings;
    }
}
