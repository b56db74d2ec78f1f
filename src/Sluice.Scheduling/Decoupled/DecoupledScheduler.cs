using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Scheduling.Dynamic;
using Sluice.Scheduling.Overload;
using Sluice.Scheduling.RateLimit;
using Sluice.Scheduling.Timing;
using Sluice.Tensors;

namespace Sluice.Scheduling.Decoupled;

/// <summary>Queues the requests of a model whose instances answer response by response, and gives them out.</summary>
/// <remarks>
/// <para>The lock guards the queue and the idle instances.</para>
/// <para>Queue bounds, priorities and time-outs are those of <c>dynamic_batching</c> where it is configured. Instances that take groups
/// (<see cref="IStreamingGroupInstance"/>) then get the batches that <see cref="BatchPolicy"/> makes; all others get one request at a
/// time. Requests that wait and those under way count together against the bound of all queues, since an instance may take the next
/// request while the last one's responses still flow. One whose instance ended it as cancelled counts no more, whatever goes on there.</para>
/// </remarks>
public sealed partial class DecoupledScheduler : ModelScheduler, IChannelOwner
{
    private readonly RequestQueue _queue;
    private readonly Stack<DecoupledRunner> _idle = new();
    private readonly ChannelPool _channels;
    private DecoupledRunner[] _runners;
    private readonly OverloadGate _overload;
    private readonly int _maxCount;

    // Null where requests run one by one.
    private readonly BatchPolicy? _policy;
    private readonly ShapeGroup _shapes;
    private bool _isLimited;
    private int _startingCount;
    private int _runningCount;

    // Since when some instance has been free, for models whose batches wait; clock ticks.
    private long _idleSince;
    private TaskCompletionSource? _allIdle;

    /// <summary>Creates the scheduler of one model version.</summary>
    /// <param name="settings">Completed settings.</param>
    /// <param name="model">The opened model; disposed with the scheduler.</param>
    /// <param name="instances">At least one; disposed with the scheduler. Those that do not stream answer once.</param>
    /// <param name="pool">Memory for inputs and outputs.</param>
    /// <param name="options">Choices for all models.</param>
    /// <param name="timer">Wakes for time-outs.</param>
    /// <param name="logger">For failures of the engine.</param>
    public DecoupledScheduler(
        ModelSettings settings, IBackendModel model, IReadOnlyList<IModelInstance> instances, TensorBufferPool pool,
        SchedulerOptions options, IDelayTimer timer, ILogger logger)
        : base(settings, model, pool, options, timer, logger)
    {
        _maxCount = options.MaxQueuedRequests;
        _queue = new RequestQueue(settings.DynamicBatching, _maxCount);
        _channels = new ChannelPool(this);
        _runners = [.. instances.Select(instance => new DecoupledRunner(this, Adapt(instance)))];
        _shapes = new ShapeGroup(settings);
        if (settings is { MaxBatchSize: > 1, DynamicBatching: { } batching } && Array.TrueForAll(_runners, runner => runner.TakesGroups))
            _policy = BatchPolicy.Of(settings.MaxBatchSize, batching);
        _overload = new OverloadGate(settings, options.Overload.For(settings), canBatch: _policy is not null, knowsEnd: false);
        foreach (var runner in _runners)
            _idle.Push(runner);
    }

    /// <inheritdoc/>
    public override bool IsHealthy => Array.TrueForAll(_runners, runner => runner.IsHealthy);

    ModelSettings IChannelOwner.EngineSettings => EngineSettings;

    long IChannelOwner.Now => Now;

    ILogger IChannelOwner.Logger => Logger;

    /// <inheritdoc/>
    public override ValueTask ExecuteAsync(InferRequest request)
    {
        var now = Now;
        Stamp(request, now);
        Watch(request);
        request.PrepareWait();
        DecoupledRunner? runner = null;
        RefusalReason? refusal = null;
        var isQueued = false;
        lock (Gate)
        {
            if (!request.IsCancelled)
                refusal = Refuse(request, now);
            if (refusal is null && !request.IsCancelled)
            {
                isQueued = true;
                Statistics.AddPending(1);
                runner = TakeToStart(now);
                if (_queue.HasTimeouts)
                    Timer.Schedule(this, RequestQueue.ExpiryOf(request));
            }
        }

        if (!isQueued)
        {
            EndUnqueued(request, refusal);
            return ValueTask.CompletedTask;
        }

        var wait = request.WaitAsync();
        runner?.Start();
        return wait;
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        // An instance may be busy for longer than its last request.
        var allIdle = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (Gate)
        {
            _allIdle = allIdle;
            if (_idle.Count == _runners.Length)
                allIdle.SetResult();
        }

        await allIdle.Task.ConfigureAwait(false);
        await WhenRetiredAsync().ConfigureAwait(false);
        foreach (var runner in _runners)
            runner.Dispose();
        _channels.Dispose();
        Model.Dispose();
        Batches.Dispose();
    }

    bool IChannelOwner.AllowsReschedule => false;

    ExecutionBatch IChannelOwner.RentBatch(int rows) => RentBatch(rows);

    void IChannelOwner.Return(ResponseChannel channel) => _channels.Return(channel);

    void IChannelOwner.Split(ExecutionBatch response, ReadOnlySpan<InferRequest> requests) => BatchSplitter.Split(response, requests);

    void IChannelOwner.Pause(InferRequest request, ResponseChannel channel) => throw new NotSupportedException();

    void IChannelOwner.End(InferRequest request, bool endsInFailure)
    {
        request.QueueCancellation.Dispose();
        lock (Gate)
        {
            _runningCount--;
            var runner = (DecoupledRunner)request.QueueOwner!;
            request.QueueOwner = null;
            runner.RequestCount--;
            NoteRetired(runner);
        }

        request.Complete();
    }

    /// <summary>Says where the instances run; before the first request.</summary>
    internal void Assign(IReadOnlyList<InstanceSeat> seats)
    {
        for (var i = 0; i < _runners.Length; i++)
            _runners[i].Seat = seats[i];
        _isLimited = seats.Any(seat => seat.Limit is not null);
    }

    internal ResponseChannel RentChannel() => _channels.Rent();

    /// <summary>Fills a runner with the requests of its next execution, for which somebody waits, or makes it idle.</summary>
    /// <returns>False when it became idle.</returns>
    internal bool TryTake(DecoupledRunner runner, bool isStarting)
    {
        for (; ; isStarting = false)
        {
            BatchDecision decision;
            DecoupledRunner? helper = null;
            List<InferRequest>? expired, shed;
            var now = Now;
            long freeSince;
            lock (Gate)
            {
                freeSince = isStarting ? _idleSince : now;
                if (isStarting)
                    _startingCount--;
                expired = SweepTimeouts(_queue, now);
                shed = Shed(_overload, _queue, now);
                decision = runner.IsRetiring ? new BatchDecision(0, default, long.MaxValue) : Decide(now);
                if (decision.Take == 0)
                    Rest(runner, decision.WaitUntil, isStarting);
                else
                    Take(runner, decision.Take, now);
                if (decision.Take > 0 || runner.IsRetiring)
                    helper = TakeToStart(now);
            }

            RejectExpired(expired);
            EndShedLater(shed);
            helper?.Start();
            if (decision.Take == 0)
                return false;
            if (_policy is { } policy)
                RecordCut(runner, policy, decision.Reason, freeSince);
            runner.Drop(EndIfLate);
            if (!runner.Requests.IsEmpty)
                return true;
        }
    }

    /// <summary>Learns how long an instance was busy with an execution.</summary>
    internal void Learn(DecoupledRunner runner, int rows) => _overload.Times.Observe(_policy is null ? 1 : rows, Now - runner.StartedAt);

    /// <summary>Enqueues a request, or says why not; the caller holds the lock.</summary>
    private RefusalReason? Refuse(InferRequest request, long now) =>
        _overload.Refuse(
            request, _queue, _runners.Length, RunningSince(), isIdle: _queue.Count == 0 && _idle.Count > 0, now) ??
        (_queue.Count + _runningCount < _maxCount && _queue.TryEnqueue(request) ? null : RefusalReason.QueueFull);

    private long RunningSince()
    {
        var oldest = long.MaxValue;
        foreach (var runner in _runners)
            oldest = Math.Min(oldest, runner.StartedAt);
        return oldest;
    }

    private BatchDecision Decide(long now)
    {
        if (_policy is null)
            return new BatchDecision(Math.Min(1, _queue.Count), BatchCutReason.InstanceFree, long.MaxValue);
        var walk = new QueueWalk(_queue, _shapes);
        return _policy.Decide(ref walk, now);
    }

    private void Take(DecoupledRunner runner, int count, long now)
    {
        runner.StartedAt = now;
        runner.RequestCount += count;
        _runningCount += count;
        Statistics.AddPending(-count);
        for (; count > 0; count--)
        {
            var request = _queue.First!;
            _queue.TryRemove(request);
            request.QueueOwner = runner;
            runner.Add(request);
        }
    }

    private void Rest(DecoupledRunner runner, long until, bool wasStarting)
    {
        runner.StartedAt = 0;
        runner.IsIdle = true;
        if (!runner.IsRetiring)
        {
            if (_idle.Count == 0 && !wasStarting)
                _idleSince = Now;
            _idle.Push(runner);
            if (until != long.MaxValue)
                Timer.Schedule(this, until);
        }

        NoteRetired(runner);
        if (_idle.Count == _runners.Length)
            _allIdle?.TrySetResult();
    }

    private void RecordCut(DecoupledRunner runner, BatchPolicy policy, BatchCutReason reason, long freeSince)
    {
        Statistics.RecordCut(reason);
        if (policy.HasDelay)
            this.RecordBatchWait(runner.Requests, freeSince);
    }

    /// <summary>Ends a request that was taken too late.</summary>
    private bool EndIfLate(InferRequest request)
    {
        if (!RequestEndings.IsLate(request, Now))
            return false;
        RequestEndings.FailLate(request);
        Statistics.RecordCancelled(request.Status, Now - request.ReceivedAt);
        ((IChannelOwner)this).End(request, endsInFailure: true);
        return true;
    }

    private protected override void OnTimer()
    {
        DecoupledRunner? runner;
        List<InferRequest>? expired;
        lock (Gate)
        {
            expired = SweepTimeouts(_queue, Now);
            runner = TakeToStart(Now);
        }

        RejectExpiredLater(expired);
        runner?.Start();
    }

    /// <remarks>A request that runs is told by its token.</remarks>
    private protected override bool TryWithdraw(InferRequest request) => _queue.TryRemove(request);
}
