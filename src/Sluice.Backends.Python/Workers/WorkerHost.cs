using System.Text.Json;
using Microsoft.Extensions.Logging;
using Sluice.Backends.Python.Wire;
using Sluice.Inference;

namespace Sluice.Backends.Python.Workers;

/// <summary>Keeps one worker process running: starts it, starts it again with growing waits when it ends, stops it.</summary>
/// <remarks><b>Threads.</b> Any. What the worker sends goes to the client; the client is told of its end first.</remarks>
internal sealed class WorkerHost : IWorkerClient, IAsyncDisposable
{
    private static readonly TimeSpan LongestBackOff = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(5);

    private readonly IWorkerClient _client;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly object _gate = new();
    private readonly CancellationTokenSource _stopping = new();
    private WorkerPlan _plan;
    private WorkerConnection? _starting;
    private volatile WorkerConnection? _ready;
    private Task<WorkerConnection> _start;
    private Task _restarting = Task.CompletedTask;
    private long _readySince;
    private int _failures;
    private volatile bool _hasServed;
    private string _lastReason = "";
    private DateTimeOffset _nextStart;

    /// <summary>Makes a host without a process.</summary>
    public WorkerHost(WorkerPlan plan, IWorkerClient client, ILogger logger, TimeProvider time)
    {
        _plan = plan;
        _client = client;
        _logger = logger;
        _time = time;
        _start = Task.FromException<WorkerConnection>(new InvalidOperationException("not started"));
        _ = _start.Exception;
    }

    /// <summary>The worker when it can serve; null while it is being started again.</summary>
    public WorkerConnection? Ready => _ready;

    public WorkerPlan Plan => _plan;

    /// <summary>Starts the first process as far as its import; it is not ready yet.</summary>
    /// <returns>What the worker says of its code, JSON.</returns>
    /// <exception cref="InferenceException">The code cannot be loaded.</exception>
    public async Task<string> LoadAsync(CancellationToken cancellationToken)
    {
        var worker = WorkerConnection.Start(_plan, this);
        _starting = worker;
        try
        {
            return await LoadAsync(worker, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException e)
        {
            throw await BreakOffAsync(worker, e).ConfigureAwait(false);
        }
    }

    /// <summary>Makes the first process ready, starting one when there is none.</summary>
    /// <exception cref="InferenceException">The code cannot be initialised.</exception>
    public async Task InitializeAsync(WorkerPlan plan, CancellationToken cancellationToken)
    {
        _plan = plan;
        if (_starting is null)
            await LoadAsync(cancellationToken).ConfigureAwait(false);
        var worker = _starting!;
        try
        {
            await InitializeAsync(worker, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException e)
        {
            throw await BreakOffAsync(worker, e).ConfigureAwait(false);
        }

        SetReady(worker);
    }

    /// <summary>Waits for a worker that can serve.</summary>
    /// <exception cref="InferenceException"><see cref="InferenceCode.Unavailable"/>: it keeps ending.</exception>
    public async ValueTask<WorkerConnection> GetAsync()
    {
        if (_ready is { IsGone: false } ready)
            return ready;
        Task<WorkerConnection> start;
        lock (_gate)
        {
            if (_stopping.IsCancellationRequested || _nextStart - _time.GetUtcNow() > LongestWait)
                throw Unhealthy();
            start = _start;
        }

        try
        {
            return await start.WaitAsync(LongestBackOff, _time).ConfigureAwait(false);
        }
        catch (Exception error) when (error is not InferenceException)
        {
            throw Unhealthy();
        }
    }

    /// <summary>Ends the process, letting its code finish first.</summary>
    public async ValueTask DisposeAsync()
    {
        WorkerConnection? worker;
        lock (_gate)
        {
            if (_stopping.IsCancellationRequested)
                return;
            _stopping.Cancel();
            worker = _ready ?? _starting;
        }

        await _restarting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        worker ??= _ready ?? _starting;
        if (worker is null)
            return;
        try
        {
            await worker.AskAsync(Frames.Stop, "", _plan.Limits.Stop, CancellationToken.None).ConfigureAwait(false);
        }
        catch (InferenceException)
        {
            // It has ended by itself, or has been ended; both is what is wanted.
        }

        worker.Kill("the model was unloaded");
        await worker.Ended.ConfigureAwait(false);
    }

    /// <summary>The worker has done what it was asked.</summary>
    public void MarkServed() => _hasServed = true;

    /// <summary>Gives no more work to a worker that has said that it will end, and starts the next one.</summary>
    public void Discard(WorkerConnection worker)
    {
        lock (_gate)
        {
            if (!ReferenceEquals(_ready, worker) || _stopping.IsCancellationRequested)
                return;
            _lastReason = "its code ended it";
            _ready = null;
            BeginRestart();
        }

        PythonLog.WorkerEnded(_logger, _plan.Owner, _plan.Name, worker.ProcessId, _lastReason);
    }

    void IWorkerClient.OnFrame(WorkerConnection worker, byte kind, ReadOnlySpan<byte> frame) => _client.OnFrame(worker, kind, frame);

    void IWorkerClient.OnCall(WorkerConnection worker, byte kind, ReadOnlySpan<byte> frame) => _client.OnCall(worker, kind, frame);

    void IWorkerClient.OnOutput(WorkerConnection worker, bool isError, string line) => _client.OnOutput(worker, isError, line);

    void IWorkerClient.OnEnded(WorkerConnection worker, string reason)
    {
        var wasReady = ReferenceEquals(_ready, worker);
        lock (_gate)
        {
            _lastReason = reason;
            if (wasReady)
            {
                _ready = null;
                if (!_stopping.IsCancellationRequested)
                    BeginRestart();
            }
        }

        _client.OnEnded(worker, reason);
        if (wasReady && !_stopping.IsCancellationRequested)
            PythonLog.WorkerEnded(_logger, _plan.Owner, _plan.Name, worker.ProcessId, reason);
    }

    /// <summary>Ends a process in the middle of its start, which would not listen.</summary>
    private async Task<InferenceException> BreakOffAsync(WorkerConnection worker, OperationCanceledException error)
    {
        worker.Kill("its start was broken off");
        await worker.Ended.ConfigureAwait(false);
        return new InferenceException(InferenceCode.Unavailable, $"the start of '{_plan.Name}' was broken off", error);
    }

    private InferenceException Unhealthy() => new(
        InferenceCode.Unavailable, $"Stub process '{_plan.Name}' is not healthy: {_lastReason}; it is being started again");

    private void SetReady(WorkerConnection worker)
    {
        lock (_gate)
        {
            if (worker.IsGone)
                throw Unhealthy();
            _readySince = _time.GetTimestamp();
            _starting = null;
            _ready = worker;
        }
    }

    private void BeginRestart()
    {
        // One that worked for a while starts again at once, one that worked at all soon, one that never did ever later.
        _failures = _time.GetElapsedTime(_readySince) > Settled ? 1 : _hasServed ? Math.Min(2, _failures + 1) : _failures + 1;
        _hasServed = false;
        var source = new TaskCompletionSource<WorkerConnection>(TaskCreationOptions.RunContinuationsAsynchronously);
        _ = source.Task.Exception;
        _start = source.Task;
        _restarting = RestartAsync(source);
    }

    private async Task RestartAsync(TaskCompletionSource<WorkerConnection> source)
    {
        await Task.Yield();
        while (!_stopping.IsCancellationRequested)
        {
            var wait = BackOff(_failures);
            lock (_gate)
                _nextStart = _time.GetUtcNow() + wait;
            WorkerConnection? worker = null;
            try
            {
                await Task.Delay(wait, _time, _stopping.Token).ConfigureAwait(false);
                worker = WorkerConnection.Start(_plan, this);
                await LoadAsync(worker, _stopping.Token).ConfigureAwait(false);
                await InitializeAsync(worker, _stopping.Token).ConfigureAwait(false);
                SetReady(worker);
                PythonLog.WorkerRestarted(_logger, _plan.Owner, _plan.Name, worker.ProcessId);
                source.SetResult(worker);
                return;
            }
            catch (Exception error) when (error is InferenceException or OperationCanceledException)
            {
                worker?.Kill("its start failed");
                if (_stopping.IsCancellationRequested)
                    break;
                _failures++;
                PythonLog.RestartFailed(_logger, _plan.Owner, _plan.Name, error.Message);
            }
        }

        source.TrySetException(Unhealthy());
    }

    private TimeSpan BackOff(int failures)
    {
        if (failures <= 1)
            return TimeSpan.Zero;
        var wait = _plan.Limits.BackOff * Math.Pow(2, Math.Min(failures - 2, 10));
        return wait < LongestBackOff ? wait : LongestBackOff;
    }

    private async Task<string> LoadAsync(WorkerConnection worker, CancellationToken cancellationToken)
    {
        var answer = await worker.AskAsync(Frames.Load, _plan.LoadJson, _plan.Limits.Start, cancellationToken).ConfigureAwait(false);
        await ThrowIfFailedAsync(worker, answer).ConfigureAwait(false);
        return answer;
    }

    private async Task InitializeAsync(WorkerConnection worker, CancellationToken cancellationToken)
    {
        var answer = await worker.AskAsync(Frames.Initialize, _plan.InitializeJson, _plan.Limits.Start, cancellationToken)
            .ConfigureAwait(false);
        await ThrowIfFailedAsync(worker, answer).ConfigureAwait(false);
    }

    private static async Task ThrowIfFailedAsync(WorkerConnection worker, string answer)
    {
        string? error = null;
        try
        {
            using var document = JsonDocument.Parse(answer);
            if (document.RootElement.TryGetProperty("error", out var text))
                error = text.GetString();
        }
        catch (JsonException)
        {
            error = "it answered what is not JSON";
        }

        if (error is null)
            return;
        worker.Kill("its start failed");
        await worker.Ended.ConfigureAwait(false);
        throw InferenceException.Invalid(error);
    }
}
