using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Scheduling.Dynamic;
using Sluice.Scheduling.Timing;
using Sluice.Tensors;

namespace Sluice.Scheduling.Decoupled;

/// <summary>Queues the requests of a model whose instances answer response by response, and gives them out one at a time.</summary>
/// <remarks>
/// <para><see cref="_gate"/> guards the queue and the idle instances; it is held for list operations only.</para>
/// <para>Queue bounds, priorities and time-outs are those of <c>dynamic_batching</c> where it is configured; batches are not
/// made. Requests that wait and those under way count together against the bound of all queues, since an instance may take
/// the next request while the last one's responses still flow.</para>
/// </remarks>
public sealed class DecoupledScheduler : IServable, ITimerTarget
{
    private const int MaxIdleChannels = 1024;

    private readonly object _gate = new();
    private readonly RequestQueue _queue;
    private readonly Stack<DecoupledRunner> _idle = new();
    private readonly Stack<ResponseChannel> _idleChannels = new();
    private readonly DecoupledRunner[] _runners;
    private readonly IBackendModel _model;
    private readonly IDelayTimer _timer;
    private readonly BatchPool _batches;
    private readonly RequestEndings _endings;
    private readonly Action<InferRequest> _onCancelled;
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
    {
        Settings = settings;
        Statistics = new ModelStatistics(settings.MaxBatchSize, options.KeepsStageLatencies);
        Logger = logger;
        _model = model;
        _timer = timer;
        _maxCount = options.MaxQueuedRequests;
        _queue = new RequestQueue(settings.DynamicBatching, _maxCount);
        _batches = new BatchPool(settings, pool);
        _endings = new RequestEndings(this, timer);
        _onCancelled = OnCancelled;
        _runners = [.. instances.Select(instance => new DecoupledRunner(
            this, instance as IStreamingInstance ?? new SingleResponseInstance(instance)))];
        foreach (var runner in _runners)
            _idle.Push(runner);
    }

    /// <inheritdoc/>
    public ModelSettings Settings { get; }

    /// <inheritdoc/>
    public ModelStatistics Statistics { get; }

    /// <inheritdoc/>
    public bool IsHealthy => Array.TrueForAll(_runners, runner => runner.IsHealthy);

    long ITimerTarget.DueAt { get; set; } = long.MaxValue;

    internal long Now => _timer.Now;

    internal ILogger Logger { get; }

    /// <inheritdoc/>
    public ValueTask ExecuteAsync(InferRequest request)
    {
        var now = Now;
        request.QueuedAt = now;
        if (request.ReceivedAt == 0)
            request.ReceivedAt = now;
        Watch(request);
        request.PrepareWait();
        DecoupledRunner? runner = null;
        var isQueued = false;
        lock (_gate)
        {
            if (!request.IsCancelled && _queue.Count + _runningCount < _maxCount && _queue.TryEnqueue(request))
            {
                isQueued = true;
                Statistics.AddPending(1);
                _idle.TryPop(out runner);
                if (_queue.HasTimeouts)
                    _timer.Schedule(this, RequestQueue.ExpiryOf(request));
            }
        }

        if (!isQueued)
        {
            Refuse(request);
            return ValueTask.CompletedTask;
        }

        var wait = request.WaitAsync();
        runner?.Start();
        return wait;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // An instance may be busy for longer than its last request.
        var allIdle = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _allIdle = allIdle;
            if (_idle.Count == _runners.Length)
                allIdle.SetResult();
        }

        await allIdle.Task.ConfigureAwait(false);
        foreach (var runner in _runners)
            runner.Dispose();
        foreach (var channel in _idleChannels)
            channel.Dispose();
        _model.Dispose();
        _batches.Dispose();
    }

    void ITimerTarget.OnTimer()
    {
        List<InferRequest>? expired;
        lock (_gate)
            expired = SweepTimeouts(Now);
        if (expired is { Count: > 0 })
            ThreadPool.UnsafeQueueUserWorkItem(
                static work => work.Endings.RejectExpired(work.Expired), (Endings: _endings, Expired: expired), preferLocal: false);
    }

    internal ExecutionBatch RentBatch(int rows)
    {
        var batch = _batches.Rent();
        batch.Begin(rows);
        return batch;
    }

    internal ResponseChannel RentChannel()
    {
        lock (_gate)
        {
            if (_idleChannels.TryPop(out var channel))
                return channel;
        }

        return new ResponseChannel(this);
    }

    /// <summary>Takes the next request that somebody waits for; null = the runner is idle from here on.</summary>
    internal InferRequest? TakeNext(DecoupledRunner runner)
    {
        while (true)
        {
            InferRequest? request;
            List<InferRequest>? expired;
            lock (_gate)
            {
                expired = SweepTimeouts(Now);
                request = _queue.First;
                if (request is null)
                {
                    _idle.Push(runner);
                    if (_idle.Count == _runners.Length)
                        _allIdle?.TrySetResult();
                }
                else
                {
                    _queue.TryRemove(request);
                    _runningCount++;
                    Statistics.AddPending(-1);
                }
            }

            _endings.RejectExpired(expired);
            if (request is null || request.DeadlineAt == 0 || Now < request.DeadlineAt)
                return request;
            DropLate(request);
        }
    }

    /// <summary>Ends a request whose responses have all been sent.</summary>
    internal void End(InferRequest request)
    {
        request.QueueCancellation.Dispose();
        lock (_gate)
            _runningCount--;
        request.Complete();
    }

    /// <summary>Keeps a channel for the next request.</summary>
    internal void Return(ResponseChannel channel)
    {
        lock (_gate)
        {
            if (_idleChannels.Count < MaxIdleChannels)
                _idleChannels.Push(channel);
        }
    }

    private void DropLate(InferRequest request)
    {
        request.QueueCancellation.Dispose();
        request.Fail(
            InferenceCode.DeadlineExceeded, $"the deadline passed before model '{Settings.Name}' could run the request");
        Statistics.RecordFailure(FailureReason.Canceled, Now - request.ReceivedAt);
        lock (_gate)
            _runningCount--;
        request.Complete();
    }

    private void Refuse(InferRequest request)
    {
        request.QueueCancellation.Dispose();
        if (request.IsCancelled)
        {
            RequestEndings.FailCancelled(request);
            Statistics.RecordFailure(FailureReason.Canceled, 0);
            return;
        }

        request.IsRefused = true;
        request.Fail(InferenceCode.Unavailable, "Exceeds maximum queue size");
        Statistics.RecordFailure(FailureReason.Rejected, 0);
    }

    private void Watch(InferRequest request)
    {
        if (request.Lifetime is null)
            return;
        request.OnCancelled = _onCancelled;
        request.QueueCancellation = request.Lifetime.CancellationToken.UnsafeRegister(
            static state => ((InferRequest)state!).OnCancelled!((InferRequest)state!), request);
    }

    /// <summary>Ends a request that still waits; one that runs is told by its token.</summary>
    private void OnCancelled(InferRequest request)
    {
        lock (_gate)
        {
            request.IsCancelled = true;
            if (!_queue.TryRemove(request))
                return;
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
}
