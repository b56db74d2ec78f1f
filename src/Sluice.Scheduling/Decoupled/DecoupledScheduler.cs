using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Scheduling.Dynamic;
using Sluice.Scheduling.Overload;
using Sluice.Scheduling.RateLimit;
using Sluice.Scheduling.Timing;
using Sluice.Tensors;

namespace Sluice.Scheduling.Decoupled;

/// <summary>Queues the requests of a model whose instances answer response by response, and gives them out one at a time.</summary>
/// <remarks>
/// <para>The lock guards the queue and the idle instances.</para>
/// <para>Queue bounds, priorities and time-outs are those of <c>dynamic_batching</c> where it is configured; batches are not
/// made. Requests that wait and those under way count together against the bound of all queues, since an instance may take
/// the next request while the last one's responses still flow.</para>
/// </remarks>
public sealed partial class DecoupledScheduler : ModelScheduler, IChannelOwner
{
    private readonly RequestQueue _queue;
    private readonly Stack<DecoupledRunner> _idle = new();
    private readonly ChannelPool _channels;
    private DecoupledRunner[] _runners;
    private readonly OverloadGate _overload;
    private readonly int _maxCount;
    private int _runningCount;
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
        _overload = new OverloadGate(settings, options.Overload.For(settings), canBatch: false, knowsEnd: false);
        _channels = new ChannelPool(this);
        _runners = [.. instances.Select(instance => new DecoupledRunner(this, Adapt(instance)))];
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
                runner = TakeIdle();
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
    }

    internal ResponseChannel RentChannel() => _channels.Rent();

    /// <summary>Takes the next request that somebody waits for; null = the runner is idle from here on.</summary>
    internal InferRequest? TakeNext(DecoupledRunner runner)
    {
        while (true)
        {
            InferRequest? request;
            DecoupledRunner? helper = null;
            List<InferRequest>? expired, shed;
            var now = Now;
            lock (Gate)
            {
                expired = SweepTimeouts(_queue, now);
                shed = Shed(_overload, _queue, now);
                request = runner.IsRetiring ? null : _queue.First;
                runner.StartedAt = request is null ? 0 : now;
                if (request is null)
                {
                    runner.IsIdle = true;
                    if (runner.IsRetiring)
                        helper = _queue.Count > 0 ? TakeIdle() : null;
                    else
                        _idle.Push(runner);
                    NoteRetired(runner);
                    if (_idle.Count == _runners.Length)
                        _allIdle?.TrySetResult();
                }
                else
                {
                    _queue.TryRemove(request);
                    _runningCount++;
                    runner.RequestCount++;
                    request.QueueOwner = runner;
                    Statistics.AddPending(-1);
                }
            }

            RejectExpired(expired);
            EndShedLater(shed);
            helper?.Start();
            if (request is null || !RequestEndings.IsLate(request, Now))
                return request;
            RequestEndings.FailLate(request);
            Statistics.RecordCancelled(request.Status, Now - request.ReceivedAt);
            ((IChannelOwner)this).End(request, endsInFailure: true);
        }
    }

    /// <summary>Learns how long an instance was busy with a request.</summary>
    internal void Learn(DecoupledRunner runner) => _overload.Times.Observe(1, Now - runner.StartedAt);

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

    private protected override void OnTimer()
    {
        List<InferRequest>? expired;
        lock (Gate)
            expired = SweepTimeouts(_queue, Now);
        RejectExpiredLater(expired);
    }

    /// <remarks>A request that runs is told by its token.</remarks>
    private protected override bool TryWithdraw(InferRequest request) => _queue.TryRemove(request);
}
