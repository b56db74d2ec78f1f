using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Scheduling.Loading;
using Sluice.Scheduling.Timing;
using Sluice.Tensors;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Queues a model's requests, joins them to batches where the model allows it, and hands them to instances.</summary>
/// <remarks>
/// <para>It is the one owner of the queue's state: the lock guards the queue, the idle instances and what each instance has
/// taken.</para>
/// <para>A model without dynamic batching goes the same way with batches of one request.</para>
/// </remarks>
public sealed partial class DynamicBatcher : InstanceScheduler
{
    private readonly Stack<InstanceRunner> _idle;
    private readonly RequestQueue _queue;
    private readonly BatchTuner? _tuner;
    private volatile BatchPolicy _policy;
    private readonly ShapeGroup _shapes;
    private volatile bool _neverInline;
    private int _heldUntil;
    private int _startingCount;

    // Since when some instance has been free, for models whose batches wait; clock ticks.
    private long _idleSince;

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
        : base(
            settings, model, instances, pool, options, timer, logger,
            canBatch: settings is { MaxBatchSize: > 1, DynamicBatching: not null },
            keepsOrder: settings.DynamicBatching?.PreserveOrdering == true && instances.Count > 1)
    {
        _idle = new Stack<InstanceRunner>(Runners);
        var batching = CanBatch ? settings.DynamicBatching : null;
        _queue = new RequestQueue(settings.DynamicBatching, options.MaxQueuedRequests);
        _tuner = BatchTuner.For(settings, options.LatencyObjective, instances.Count);
        _policy = _tuner?.Policy ?? BatchPolicy.Of(settings.MaxBatchSize, batching);
        _shapes = new ShapeGroup(settings);
        _heldUntil = options.HoldUntilQueued;
        _neverInline = Order is not null || _heldUntil > 0;
    }

    /// <summary>Keeps requests for the model's successor from now on; null = none are kept.</summary>
    internal RecentRequests? Recent { get; set; }

    /// <inheritdoc/>
    public override ValueTask ExecuteAsync(InferRequest request)
    {
        var now = Now;
        Stamp(request, now);
        Recent?.Offer(request, now);
        var runner = TryTakeInline(request, now);
        return runner is null ? EnqueueAsync(request, now) : runner.RunInlineAsync(request);
    }

    internal override bool HasWaiting => _queue.Count > 0;

    internal override void Learn(int rows, long ticks, long now)
    {
        base.Learn(rows, ticks, now);
        if (_tuner is null)
            return;
        lock (Gate)
        {
            _tuner.Observe(rows, ticks, now);
            _policy = _tuner.Policy;
        }
    }

    internal override bool TryCut(InstanceRunner runner, bool isStarting)
    {
        var now = Now;
        BatchDecision decision;
        List<InferRequest>? expired, shed;
        InstanceRunner? helper = null;
        long freeSince;
        bool isRetiring;
        lock (Gate)
        {
            NoteOrdered(runner);
            isRetiring = runner.IsRetiring;
            freeSince = isStarting ? _idleSince : now;
            if (isStarting)
                _startingCount--;
            expired = SweepTimeouts(_queue, now);
            shed = Shed(Overload, _queue, now);
            decision = isRetiring ? default : Decide(now);
            if (isRetiring)
            {
                helper = TakeToStart(now);
            }
            else if (decision.Take == 0)
            {
                if (_idle.Count == 0 && !isStarting)
                    _idleSince = now;
                _idle.Push(runner);
                if (decision.WaitUntil != long.MaxValue)
                    Timer.Schedule(this, decision.WaitUntil);
            }
            else
            {
                Take(runner, decision.Take);
                helper = TakeToStart(now);
            }
        }

        RejectExpiredLater(expired);
        EndShedLater(shed);
        helper?.Start();
        if (isRetiring)
            runner.Retire();
        if (decision.Take > 0 && CanBatch)
            Statistics.RecordCut(decision.Reason);
        if (decision.Take > 0 && _policy.HasDelay)
            this.RecordBatchWait(runner.Requests, freeSince);
        return decision.Take > 0;
    }

    internal override void FinishTurn(InstanceRunner runner)
    {
        InstanceRunner? next;
        bool isRetiring;
        lock (Gate)
        {
            NoteOrdered(runner);
            isRetiring = runner.IsRetiring;
            runner.IsExecuting = false;
            runner.Clear();
            if (_policy.HasDelay && _idle.Count == 0)
                _idleSince = Now;
            if (!isRetiring)
                _idle.Push(runner);
            next = _queue.Count == 0 ? null : TakeToStart(Now);
        }

        if (isRetiring)
            runner.Retire();
        next?.Start();
    }

    private protected override void OnTimer()
    {
        InstanceRunner? runner;
        List<InferRequest>? expired;
        lock (Gate)
        {
            expired = SweepTimeouts(_queue, Now);
            runner = TakeToStart(Now);
        }

        RejectExpiredLater(expired);
        runner?.Start();
    }

    private protected override bool TryWithdraw(InferRequest request)
    {
        if (_queue.TryRemove(request))
            return true;
        (request.QueueOwner as InstanceRunner)?.Cancel(request);
        return false;
    }

    private protected override void WatchWaiting()
    {
        for (var request = _queue.First; request is not null;)
        {
            // Its callback may take it out of the queue at once.
            var next = _queue.After(request);
            Watch(request);
            request = next;
        }
    }

    private InstanceRunner? TryTakeInline(InferRequest request, long now)
    {
        if (!Estimate.PrefersInline(now) || _neverInline || IsLimited ||
            (_policy.HasDelay && request.RowCount < _policy.SmallestPreferred))
            return null;
        lock (Gate)
        {
            if (_neverInline || _queue.Count > 0 || !_idle.TryPop(out var runner))
                return null;
            runner.Begin(now);
            runner.IsInline = true;
            runner.Add(request);
            return runner;
        }
    }

    private ValueTask EnqueueAsync(InferRequest request, long now)
    {
        // A cheap model's queue is empty again before a cancellation could arrive; its batches check deadlines themselves.
        // Should the model stall all the same, StallWatch comes round.
        if (!Estimate.IsCheap || _policy.HasDelay)
            Watch(request);
        request.PrepareWait();
        InstanceRunner? runner = null;
        RefusalReason? refusal = null;
        var isQueued = false;
        lock (Gate)
        {
            if (!request.IsCancelled)
                refusal = Overload.Refuse(request, _queue, Runners.Length, RunningSince(), isIdle: _queue.Count == 0 && _idle.Count > 0, now) ??
                    (_queue.TryEnqueue(request) ? null : RefusalReason.QueueFull);
            isQueued = refusal is null && !request.IsCancelled;
            if (isQueued)
            {
                Statistics.AddPending(1);
                runner = TakeToStart(now);
                if (_queue.HasTimeouts)
                    Timer.Schedule(this, RequestQueue.ExpiryOf(request));
            }
        }

        if (isQueued)
        {
            var wait = request.WaitAsync();
            runner?.Start();
            return wait;
        }

        EndUnqueued(request, refusal);
        return ValueTask.CompletedTask;
    }

    private long RunningSince()
    {
        var oldest = long.MaxValue;
        foreach (var runner in Runners)
        {
            if (!runner.IsExecuting)
                return 0;
            oldest = Math.Min(oldest, runner.StartedAt);
        }

        return oldest;
    }

    /// <summary>Picks an idle instance when there is work that no starting one will take.</summary>
    private InstanceRunner? TakeToStart(long now)
    {
        if (_queue.Count == 0 || _idle.Count == 0 || IsHeld())
            return null;
        // Requests of zero rows need a run as well.
        var batches = CanBatch
            ? Math.Max(1, (_queue.RowCount + Settings.MaxBatchSize - 1) / Settings.MaxBatchSize)
            : _queue.Count;
        if (_startingCount >= batches && !IsLimited)
            return null;
        if (_policy.HasDelay && _queue.RowCount < _policy.SmallestPreferred && Decide(now) is { Take: 0 } wait)
        {
            Timer.Schedule(this, wait.WaitUntil);
            return null;
        }

        _startingCount++;
        return _idle.Pop();
    }

    /// <summary>Tells whether a test wants more requests to wait before the first batch is made.</summary>
    private bool IsHeld()
    {
        if (_heldUntil == 0)
            return false;
        if (_queue.Count < _heldUntil)
            return true;
        _heldUntil = 0;
        return false;
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
        runner.Begin(Now);
        for (; count > 0; count--)
        {
            var request = _queue.First!;
            _queue.TryRemove(request);
            runner.Add(request);
        }

        Statistics.AddPending(-runner.Count);
    }
}
