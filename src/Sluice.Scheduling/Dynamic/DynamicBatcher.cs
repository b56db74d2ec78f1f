using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Scheduling.Overload;
using Sluice.Scheduling.Timing;
using Sluice.Tensors;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Queues a model's requests, joins them to batches where the model allows it, and hands them to instances.</summary>
/// <remarks>
/// <para>It is the one owner of the queue's state: <see cref="_gate"/> guards the queue, the idle instances and what each
/// instance has taken. The lock is held for list operations only, never across work.</para>
/// <para>A model without dynamic batching goes the same way with batches of one request.</para>
/// </remarks>
public sealed class DynamicBatcher : IServable, ITimerTarget
{
    private readonly object _gate = new();
    private readonly SchedulerOptions _options;
    private readonly RequestQueue _queue;
    private readonly BatchPolicy _policy;
    private readonly ShapeGroup _shapes;
    private readonly Stack<InstanceRunner> _idle = new();
    private readonly InstanceRunner[] _runners;
    private readonly IBackendModel _model;
    private readonly IDelayTimer _timer;
    private readonly BatchPool _batches;
    private readonly Action<InferRequest> _onCancelled;
    private readonly RequestEndings _endings;
    private int _startingCount;
    private volatile bool _isDisposed;

    /// <summary>Creates the scheduler of one model version.</summary>
    /// <param name="settings">Completed settings.</param>
    /// <param name="model">The opened model; disposed with the scheduler.</param>
    /// <param name="instances">At least one; disposed with the scheduler.</param>
    /// <param name="pool">Memory for inputs and outputs.</param>
    /// <param name="options">Choices for all models.</param>
    /// <param name="timer">Wakes for delays and time-outs.</param>
    /// <param name="logger">For failures of the engine.</param>
    public DynamicBatcher(
        ModelSettings settings, IBackendModel model, IReadOnlyList<IModelInstance> instances, TensorBufferPool pool,
        SchedulerOptions options, IDelayTimer timer, ILogger logger)
    {
        var batching = settings.MaxBatchSize > 1 ? settings.DynamicBatching : null;
        Settings = settings;
        _options = options;
        Statistics = new ModelStatistics(settings.MaxBatchSize, options.KeepsStageLatencies);
        Logger = logger;
        CanBatch = batching is not null;
        _model = model;
        _timer = timer;
        _queue = new RequestQueue(settings.DynamicBatching, options.MaxQueuedRequests);
        var delayTicks = (batching?.MaxQueueDelayMicroseconds ?? 0) * Stopwatch.Frequency / 1_000_000;
        _policy = new BatchPolicy(settings.MaxBatchSize, batching?.PreferredBatchSizes ?? [], delayTicks);
        _shapes = new ShapeGroup(settings);
        _batches = new BatchPool(settings, pool);
        _onCancelled = OnCancelled;
        _endings = new RequestEndings(this, timer);
        Estimate = new RunTimeEstimate(options, CanBatch, !model.Description.HasLoops, instances.All(instance => instance is IRequestInstance));
        Overload = new OverloadGate(settings, options.Overload.For(settings), CanBatch);
        var keepsOrder = settings.DynamicBatching?.PreserveOrdering == true && instances.Count > 1;
        Order = keepsOrder ? new OrderedCompletion() : null;
        _runners = [.. instances.Select((instance, i) => new InstanceRunner(this, instance, $"{settings.Name}_{i}"))];
        foreach (var runner in _runners)
            _idle.Push(runner);
    }

    /// <inheritdoc/>
    public ModelSettings Settings { get; }

    /// <inheritdoc/>
    public ModelStatistics Statistics { get; private set; }

    /// <inheritdoc/>
    public int HangingCount { get; internal set; }

    /// <inheritdoc/>
    public bool IsHealthy => Array.TrueForAll(_runners, runner => runner.IsHealthy);

    /// <summary>The instances; what they run is read under <see cref="Gate"/>.</summary>
    internal IReadOnlyList<InstanceRunner> Runners => _runners;

    /// <summary>The model is gone.</summary>
    internal bool IsDisposed => _isDisposed;

    long ITimerTarget.DueAt { get; set; } = long.MaxValue;

    /// <summary>The one clock of this scheduler, ticks of <see cref="Stopwatch"/>.</summary>
    internal long Now => _timer.Now;

    /// <summary>Guards the queue, the idle instances and what each instance has taken.</summary>
    internal object Gate => _gate;

    internal ILogger Logger { get; }

    internal bool CanBatch { get; }

    internal RunTimeEstimate Estimate { get; }

    internal OverloadGate Overload { get; }

    internal OrderedCompletion? Order { get; }

    /// <summary>Something waits for an instance; racy.</summary>
    internal bool HasWaiting => _queue.Count > 0;

    /// <inheritdoc/>
    public ValueTask ExecuteAsync(InferRequest request)
    {
        var now = Now;
        request.QueuedAt = now;
        if (request.ReceivedAt == 0)
            request.ReceivedAt = now;
        var runner = TryTakeInline(request, now);
        return runner is null ? EnqueueAsync(request, now) : runner.RunInlineAsync(request);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _isDisposed = true;
        foreach (var runner in _runners)
            runner.Dispose();
        _model.Dispose();
        _batches.Dispose();
        return ValueTask.CompletedTask;
    }

    void ITimerTarget.OnTimer()
    {
        InstanceRunner? runner;
        List<InferRequest>? expired;
        lock (_gate)
        {
            expired = SweepTimeouts(Now);
            runner = TakeToStart(Now);
        }

        // Their waiters may do anything; the timer's thread is for waking only.
        if (expired is { Count: > 0 })
            ThreadPool.UnsafeQueueUserWorkItem(
                static work => work.Endings.RejectExpired(work.Expired), (Endings: _endings, Expired: expired), preferLocal: false);
        runner?.Start();
    }

    internal ExecutionBatch RentBatch(int rows)
    {
        var batch = _batches.Rent();
        batch.Begin(rows);
        return batch;
    }

    /// <summary>Fills a runner with its next batch, or makes it idle.</summary>
    /// <returns>False when it became idle.</returns>
    internal bool TryCut(InstanceRunner runner, bool isStarting)
    {
        var now = Now;
        BatchDecision decision;
        List<InferRequest>? expired, shed = null;
        InstanceRunner? helper = null;
        lock (_gate)
        {
            if (isStarting)
                _startingCount--;
            expired = SweepTimeouts(now);
            if (Overload.Sheds && (shed = Overload.Shed(_queue, now)) is not null)
                Statistics.AddPending(-shed.Count);
            decision = Decide(now);
            if (decision.Take == 0)
            {
                _idle.Push(runner);
                if (decision.WaitUntil != long.MaxValue)
                    _timer.Schedule(this, decision.WaitUntil);
            }
            else
            {
                Take(runner, decision.Take);
                helper = TakeToStart(now);
            }
        }

        _endings.RejectExpired(expired);
        _endings.EndShed(shed);
        helper?.Start();
        if (decision.Take > 0 && CanBatch)
            Statistics.RecordCut(decision.Reason);
        return decision.Take > 0;
    }

    /// <summary>Ends an inline run: the instance goes on with what has come meanwhile, elsewhere.</summary>
    internal void FinishInline(InstanceRunner runner)
    {
        InstanceRunner? next;
        lock (_gate)
        {
            runner.IsExecuting = false;
            runner.Clear();
            _idle.Push(runner);
            next = _queue.Count == 0 ? null : TakeToStart(Now);
        }

        next?.Start();
    }

    /// <summary>Begins to notice the end of callers of a model that takes unusually long.</summary>
    /// <param name="executingSince">Executions that began before are taken as stalled; clock ticks.</param>
    /// <returns>False when the model is gone.</returns>
    internal bool WatchStalled(long executingSince)
    {
        lock (_gate)
        {
            var isStalled = false;
            foreach (var runner in _runners)
            {
                if (!runner.IsExecuting || runner.StartedAt > executingSince)
                    continue;
                isStalled = true;
                foreach (var request in runner.Requests)
                    WatchNow(request);
            }

            for (var request = _queue.First; isStalled && request is not null;)
            {
                // Its callback may take it out of the queue at once.
                var next = _queue.After(request);
                WatchNow(request);
                request = next;
            }

            return !_isDisposed;
        }
    }

    /// <summary>After this no cancellation of the runner's requests reaches its instance.</summary>
    internal void EndExecution(InstanceRunner runner)
    {
        lock (_gate)
            runner.IsExecuting = false;
    }

    /// <summary>Starts the statistics from zero; before the first client's request.</summary>
    internal void ForgetWarmUp() => Statistics = new ModelStatistics(Settings.MaxBatchSize, _options.KeepsStageLatencies);

    private InstanceRunner? TryTakeInline(InferRequest request, long now)
    {
        if (!Estimate.PrefersInline(now) || Order is not null ||
            (_policy.HasDelay && request.RowCount < _policy.SmallestPreferred))
            return null;
        lock (_gate)
        {
            if (_queue.Count > 0 || !_idle.TryPop(out var runner))
                return null;
            runner.Clear();
            runner.Add(request);
            runner.StartedAt = now;
            runner.IsExecuting = true;
            return runner;
        }
    }

    private ValueTask EnqueueAsync(InferRequest request, long now)
    {
        Watch(request);
        request.PrepareWait();
        InstanceRunner? runner = null;
        RefusalReason? refusal = null;
        var isQueued = false;
        lock (_gate)
        {
            if (!request.IsCancelled)
                refusal = Overload.Refuse(request, _queue, _runners, isIdle: _queue.Count == 0 && _idle.Count > 0, now) ??
                    (_queue.TryEnqueue(request) ? null : RefusalReason.QueueFull);
            isQueued = refusal is null && !request.IsCancelled;
            if (isQueued)
            {
                Statistics.AddPending(1);
                runner = TakeToStart(now);
                if (_queue.HasTimeouts)
                    _timer.Schedule(this, RequestQueue.ExpiryOf(request));
            }
        }

        if (isQueued)
        {
            var wait = request.WaitAsync();
            runner?.Start();
            return wait;
        }

        _endings.EndUnqueued(request, refusal);
        return ValueTask.CompletedTask;
    }

    /// <summary>Makes sure that the end of the caller's patience is noticed while the request waits.</summary>
    private void Watch(InferRequest request)
    {
        // A cheap model's queue is empty again before a cancellation could arrive; its batches check deadlines themselves.
        // Should the model stall all the same, StallWatch comes round.
        if (!Estimate.IsCheap || _policy.HasDelay)
            WatchNow(request);
    }

    private void WatchNow(InferRequest request)
    {
        if (request.Lifetime is null || request.IsWatched)
            return;
        request.IsWatched = true;
        request.OnCancelled = _onCancelled;
        request.QueueCancellation = request.Lifetime.CancellationToken.UnsafeRegister(
            static state => ((InferRequest)state!).OnCancelled!((InferRequest)state!), request);
    }

    private void OnCancelled(InferRequest request)
    {
        lock (_gate)
        {
            request.IsCancelled = true;
            if (!_queue.TryRemove(request))
            {
                (request.QueueOwner as InstanceRunner)?.Cancel(request);
                return;
            }

            Statistics.AddPending(-1);
        }

        RequestEndings.FailCancelled(request);
        Statistics.RecordFailure(FailureReason.Canceled, Now - request.ReceivedAt);
        request.Complete();
    }

    private List<InferRequest>? SweepTimeouts(long now)
    {
        if (!_queue.HasTimeouts)
            return null;
        var expired = new List<InferRequest>();
        var next = _queue.SweepTimeouts(now, expired);
        Statistics.AddPending(-expired.Count);
        if (next != long.MaxValue)
            _timer.Schedule(this, next);
        return expired;
    }

    /// <summary>Picks an idle instance when there is work that no starting one will take.</summary>
    private InstanceRunner? TakeToStart(long now)
    {
        if (_queue.Count == 0 || _idle.Count == 0)
            return null;
        // Requests of zero rows need a run as well.
        var batches = CanBatch
            ? Math.Max(1, (_queue.RowCount + Settings.MaxBatchSize - 1) / Settings.MaxBatchSize)
            : _queue.Count;
        if (_startingCount >= batches)
            return null;
        if (_policy.HasDelay && _queue.RowCount < _policy.SmallestPreferred && Decide(now) is { Take: 0 } wait)
        {
            _timer.Schedule(this, wait.WaitUntil);
            return null;
        }

        _startingCount++;
        return _idle.Pop();
    }

    private BatchDecision Decide(long now)
    {
        if (!CanBatch)
            return new BatchDecision(Math.Min(1, _queue.Count), BatchCutReason.InstanceFree, long.MaxValue);
        var walk = new QueueWalk(_queue, _shapes);
        return _policy.Decide(ref walk, now);
    }

    private void Take(InstanceRunner runner, int count)
    {
        runner.Clear();
        for (; count > 0; count--)
        {
            var request = _queue.First!;
            _queue.TryRemove(request);
            runner.Add(request);
        }

        Statistics.AddPending(-runner.Count);
        runner.StartedAt = Now;
        runner.IsExecuting = true;
    }
}
