using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Scheduling.Dynamic;
using Sluice.Scheduling.Overload;
using Sluice.Scheduling.RateLimit;
using Sluice.Scheduling.Timing;
using Sluice.Tensors;

namespace Sluice.Scheduling;

/// <summary>A scheduler that hands batches to instances; which requests make a batch is left to those that derive.</summary>
public abstract class InstanceScheduler : ModelScheduler
{
    private volatile bool _isDisposed;

    private protected InstanceScheduler(
        ModelSettings settings, IBackendModel model, IReadOnlyList<IModelInstance> instances, TensorBufferPool pool,
        SchedulerOptions options, IDelayTimer timer, ILogger logger, bool canBatch, bool keepsOrder)
        : base(settings, model, pool, options, timer, logger)
    {
        CanBatch = canBatch;
        Estimate = new RunTimeEstimate(
            options, canBatch, !model.Description.HasLoops, instances.All(instance => instance is IRequestInstance));
        Overload = new OverloadGate(settings, options.Overload.For(settings), canBatch);
        Order = keepsOrder ? new OrderedCompletion() : null;
        Runners = [.. instances.Select((instance, i) => new InstanceRunner(this, instance, $"{settings.Name}_{i}", i))];
    }

    /// <inheritdoc/>
    public override bool IsHealthy => Array.TrueForAll(Runners, runner => runner.IsHealthy);

    /// <summary>The instances; what they run is read under <see cref="ModelScheduler.Gate"/>.</summary>
    internal InstanceRunner[] Runners { get; private protected set; }

    /// <summary>The model is gone.</summary>
    internal bool IsDisposed => _isDisposed;

    /// <summary>Batches may have several requests.</summary>
    internal bool CanBatch { get; }

    internal RunTimeEstimate Estimate { get; }

    internal OverloadGate Overload { get; }

    /// <summary>Something waits for an instance; racy.</summary>
    internal abstract bool HasWaiting { get; }

    /// <summary>Brings answers into the order of the batches; null where none is kept, and where a dynamic batcher has but one instance,
    /// whose batches end in order. Under the lock.</summary>
    /// <remarks>Without it one instance's answers may overtake each other where executions are not cheap: the pool gives those of each
    /// batch apart from those of the next.</remarks>
    internal OrderedCompletion? Order { get; private protected set; }

    /// <summary>A request's place in its batch means something to the model: none is left out and none is run again.</summary>
    internal virtual bool KeepsPlaces => false;

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        _isDisposed = true;
        await WhenRetiredAsync().ConfigureAwait(false);
        foreach (var runner in Runners)
            runner.Dispose();
        Model.Dispose();
        Batches.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Instances wait for resources; nothing runs on callers' threads then.</summary>
    internal bool IsLimited { get; private protected set; }

    /// <summary>Says where the instances run; before the first request.</summary>
    internal void Assign(IReadOnlyList<InstanceSeat> seats)
    {
        for (var i = 0; i < Runners.Length; i++)
            Runners[i].Seat = seats[i];
        IsLimited = seats.Any(seat => seat.Limit is not null);
    }

    /// <summary>Ends when instances that were removed are gone.</summary>
    private protected virtual Task WhenRetiredAsync() => Task.CompletedTask;

    /// <summary>Fills a runner with its next batch, or makes it idle.</summary>
    /// <returns>False when it became idle.</returns>
    internal abstract bool TryCut(InstanceRunner runner, bool isStarting);

    /// <summary>Makes a runner idle that had its turn, and starts one anew if there is work left.</summary>
    internal abstract void FinishTurn(InstanceRunner runner);

    /// <summary>After this no cancellation of the runner's requests reaches its instance.</summary>
    internal virtual void EndExecution(InstanceRunner runner)
    {
        lock (Gate)
            runner.IsExecuting = false;
    }

    /// <summary>Learns how long executions take.</summary>
    /// <param name="rows">Rows of one that has ended.</param>
    /// <param name="ticks">Its whole time.</param>
    /// <param name="now">The clock.</param>
    internal virtual void Learn(int rows, long ticks, long now) => Overload.Times.Observe(rows, ticks);

    /// <summary>A model may have a request run again.</summary>
    internal virtual bool AllowsReschedule => false;

    /// <summary>Tells whether a request came from a client.</summary>
    internal virtual bool IsCounted(InferRequest request) => true;

    /// <summary>Hands a batch's outputs to its requests.</summary>
    internal virtual void Split(ExecutionBatch batch, ReadOnlySpan<InferRequest> requests) => BatchSplitter.Split(batch, requests);

    /// <summary>Hands a batch's outputs to its requests, and counts them.</summary>
    internal virtual void Answer(
        ExecutionBatch batch, ReadOnlySpan<InferRequest> requests, long startedAt, long gatheredAt, long inferredAt)
    {
        Split(batch, requests);
        this.RecordSuccess(requests, batch.RowCount, startedAt, gatheredAt, inferredAt);
    }

    /// <summary>Begins to notice the end of callers of a model that takes unusually long.</summary>
    /// <param name="executingSince">Executions that began before are taken as stalled; clock ticks.</param>
    /// <returns>False when the model is gone.</returns>
    internal bool WatchStalled(long executingSince)
    {
        lock (Gate)
        {
            var isStalled = false;
            foreach (var runner in Runners)
            {
                if (!runner.IsExecuting || runner.StartedAt > executingSince)
                    continue;
                isStalled = true;
                foreach (var request in runner.Requests)
                    Watch(request);
            }

            if (isStalled)
                WatchWaiting();
            return !_isDisposed;
        }
    }

    /// <summary>Watches all requests that wait; the caller holds the lock.</summary>
    private protected abstract void WatchWaiting();
}
