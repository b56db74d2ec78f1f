using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Scheduling.Dynamic;
using Sluice.Scheduling.Overload;
using Sluice.Scheduling.RateLimit;
using Sluice.Scheduling.Timing;
using Sluice.Tensors;

namespace Sluice.Scheduling;

/// <summary>What the schedulers of one model version have in common: the lock, the clock, and how requests end that do not
/// run.</summary>
/// <remarks><see cref="Gate"/> is held for list operations only, never across work; requests are completed outside of it.</remarks>
public abstract class ModelScheduler : IServable, ITimerTarget
{
    private readonly Action<InferRequest> _onCancelled;
    private readonly bool _keepsStages;

    private protected ModelScheduler(
        ModelSettings settings, IBackendModel model, TensorBufferPool pool, SchedulerOptions options, IDelayTimer timer, ILogger logger)
    {
        _keepsStages = options.KeepsStageLatencies;
        _onCancelled = OnCancelled;
        Settings = settings;
        EngineSettings = settings.ForEngine();
        Statistics = CreateStatistics();
        Model = model;
        Batches = new BatchPool(EngineSettings, pool);
        Timer = timer;
        Logger = logger;
    }

    /// <inheritdoc/>
    public ModelSettings Settings { get; }

    /// <inheritdoc/>
    public ModelStatistics Statistics { get; private set; }

    /// <inheritdoc/>
    public int HangingCount { get; internal set; }

    /// <inheritdoc/>
    public abstract bool IsHealthy { get; }

    /// <inheritdoc/>
    public SequenceFigures? Sequences => CountSequences();

    long ITimerTarget.DueAt { get; set; } = long.MaxValue;

    /// <summary>The one clock of this scheduler, ticks of <see cref="System.Diagnostics.Stopwatch"/>.</summary>
    internal long Now => Timer.Now;

    /// <summary>Guards what waits, the idle instances and what each instance has taken.</summary>
    internal object Gate { get; } = new();

    internal ILogger Logger { get; }

    /// <summary>The settings of instances and batches, with the tensors that clients do not see.</summary>
    internal ModelSettings EngineSettings { get; }

    private protected IDelayTimer Timer { get; }

    private protected IBackendModel Model { get; }

    private protected BatchPool Batches { get; }

    /// <inheritdoc/>
    public abstract ValueTask ExecuteAsync(InferRequest request);

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();

    void ITimerTarget.OnTimer() => OnTimer();

    internal ExecutionBatch RentBatch(int rows)
    {
        var batch = Batches.Rent();
        batch.Begin(rows);
        return batch;
    }

    /// <summary>The opened model, for further instances.</summary>
    internal IBackendModel OpenedModel => Model;

    /// <summary>Instances may be added and removed while the model serves.</summary>
    internal virtual bool CanResize => false;

    /// <summary>The seats of the instances that are to stay; empty unless they have been assigned.</summary>
    internal virtual IReadOnlyList<InstanceSeat> Seats => [];

    /// <summary>Adds an instance, which takes part at once.</summary>
    internal virtual void Add(IModelInstance instance, InstanceSeat seat) => throw new NotSupportedException();

    /// <summary>Removes an instance as soon as it has finished what it has taken.</summary>
    internal virtual void Remove(InstanceSeat seat) => throw new NotSupportedException();

    /// <summary>Starts the statistics from zero; before the first client's request.</summary>
    internal void ForgetWarmUp() => Statistics = CreateStatistics();

    private protected virtual SequenceFigures? CountSequences() => null;

    private protected abstract void OnTimer();

    /// <summary>Takes a waiting request out, or tells its instance that nobody waits; the caller holds the lock.</summary>
    /// <returns>False when it does not wait any more.</returns>
    private protected abstract bool TryWithdraw(InferRequest request);

    /// <summary>Notes when a request came.</summary>
    private protected static void Stamp(InferRequest request, long now)
    {
        request.QueuedAt = now;
        if (request.ReceivedAt == 0)
            request.ReceivedAt = now;
    }

    /// <summary>Makes sure that the end of the caller's patience is noticed from now on.</summary>
    private protected void Watch(InferRequest request)
    {
        if (request.Lifetime is null || request.IsWatched)
            return;
        request.IsWatched = true;
        request.OnCancelled = _onCancelled;
        request.QueueCancellation = request.Lifetime.CancellationToken.UnsafeRegister(
            static state => ((InferRequest)state!).OnCancelled!((InferRequest)state!), request);
    }

    /// <summary>Takes out of an overloaded model's queue what has waited too long; the caller holds the lock.</summary>
    /// <returns>Failed requests for <see cref="EndShedLater"/>; null = none.</returns>
    private protected List<InferRequest>? Shed(OverloadGate overload, RequestQueue queue, long now)
    {
        var shed = overload.Sheds ? overload.Shed(queue, now) : null;
        if (shed is not null)
            Statistics.AddPending(-shed.Count);
        return shed;
    }

    /// <summary>Ends requests that an overloaded model shed, on the pool.</summary>
    private protected void EndShedLater(List<InferRequest>? shed)
    {
        if (shed is not null)
            ThreadPool.UnsafeQueueUserWorkItem(static work => work.Owner.EndShed(work.Shed), (Owner: this, Shed: shed), preferLocal: false);
    }

    private protected virtual void OnCancelled(InferRequest request)
    {
        var isNested = Monitor.IsEntered(Gate);
        lock (Gate)
        {
            request.IsCancelled = true;
            if (!TryWithdraw(request))
                return;
            Statistics.AddPending(-1);
        }

        if (isNested)
            EndLater(() => EndCancelled(request));
        else
            EndCancelled(request);
    }

    private void EndShed(List<InferRequest> shed)
    {
        foreach (var request in shed)
        {
            request.QueueCancellation.Dispose();
            Statistics.RecordRefusal(RefusalReason.Overload, Now - request.ReceivedAt);
            request.Complete();
        }
    }

    /// <summary>Ends requests on the pool, after whoever holds the lock: who is watched may have gone already, and waiters do not run under
    /// the lock.</summary>
    private protected void EndLater(Action end) => ThreadPool.UnsafeQueueUserWorkItem(
        static work =>
        {
            lock (work.Gate)
            {
                // The request is still being written to by whoever watches it.
            }

            work.End();
        },
        (Gate, End: end), preferLocal: false);

    private ModelStatistics CreateStatistics() => new(
        Settings.MaxBatchSize, _keepsStages,
        hasBatchDelay: Settings is { MaxBatchSize: > 1, DynamicBatching.MaxQueueDelayMicroseconds: > 0 });

    /// <summary>Ends a request that waited when its caller went.</summary>
    private protected void EndCancelled(InferRequest request)
    {
        RequestEndings.FailCancelled(request);
        Statistics.RecordCancelled(request.Status, Now - request.ReceivedAt);
        request.Complete();
    }

    /// <summary>Ends a request that did not come into the queue.</summary>
    /// <param name="request">Cancelled or refused; where it says nothing of it yet, the queue is full.</param>
    /// <param name="refusal">Why it was refused; null = it is cancelled.</param>
    private protected void EndUnqueued(InferRequest request, RefusalReason? refusal)
    {
        request.QueueCancellation.Dispose();
        if (refusal is not { } reason)
        {
            RequestEndings.FailCancelled(request);
            Statistics.RecordCancelled(request.Status, 0);
            return;
        }

        request.IsRefused = true;
        request.Fail(InferenceCode.Unavailable, "Exceeds maximum queue size");
        Statistics.RecordRefusal(reason, 0);
    }

    /// <summary>Takes out of a queue what has waited too long, and sets the timer for the next; the caller holds the lock.</summary>
    private protected List<InferRequest>? SweepTimeouts(RequestQueue queue, long now)
    {
        if (!queue.HasTimeouts)
            return null;
        var expired = new List<InferRequest>();
        var next = queue.SweepTimeouts(now, expired);
        Statistics.AddPending(-expired.Count);
        if (next != long.MaxValue)
            Timer.Schedule(this, next);
        return expired;
    }

    /// <summary>Answers requests whose time in the queue is over.</summary>
    private protected void RejectExpired(List<InferRequest>? expired, string message = RequestEndings.Expired)
    {
        if (expired is null)
            return;
        foreach (var request in expired)
        {
            request.QueueCancellation.Dispose();
            request.Fail(InferenceCode.Unavailable, message);
            Statistics.RecordRefusal(RefusalReason.QueueTimeout, Now - request.ReceivedAt);
            request.Complete();
        }
    }

    /// <summary>The same on the pool: waiters may do anything, and neither the timer's thread nor an instance's may be kept by
    /// it.</summary>
    private protected void RejectExpiredLater(List<InferRequest>? expired, string message = RequestEndings.Expired)
    {
        if (expired is { Count: > 0 })
            ThreadPool.UnsafeQueueUserWorkItem(
                static work => work.Owner.RejectExpired(work.Expired, work.Message), (Owner: this, Expired: expired, Message: message),
                preferLocal: false);
    }
}
