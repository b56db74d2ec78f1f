using Sluice.Control.Endpoints;
using Sluice.Control.Records;
using Sluice.Inference;

namespace Sluice.Control.Reconciler;

/// <summary>Brings one endpoint to what is wanted: loads the new beside the old, swaps, lets the old end.</summary>
/// <remarks>
/// <para>What serves stays until its successor can; after a failure the old one goes on and the new one is tried again, later
/// each time. Nothing that goes wrong here concerns another endpoint.</para>
/// <para><b>Threads.</b> Any number of callers; one loop at a time does the work.</para>
/// </remarks>
internal sealed class EndpointSlot(string key, SlotParts parts) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _models = new(1, 1);
    private readonly TaskCompletionSource _tried = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private CancellationTokenSource _change = new();
    private EndpointTarget? _wanted;
    private string _serviceId = "";
    private long _revision;
    private volatile EndpointLoad? _load;
    private Task _running = Task.CompletedTask;
    private bool _isRunning;
    private int _leavingCount;
    private volatile bool _isTold;
    private volatile bool _isStopped;

    /// <summary>Completes when the first attempt has ended, however.</summary>
    public Task Tried => _tried.Task;

    /// <summary>The service that has it, or had it last.</summary>
    public string ServiceId
    {
        get
        {
            lock (_lock)
                return _serviceId;
        }
    }

    /// <summary>Nothing is wanted and nothing is there.</summary>
    public bool IsGone
    {
        get
        {
            lock (_lock)
                return _wanted is null && _load is null && !_isRunning && !_isTold && _leavingCount == 0;
        }
    }

    /// <summary>Says what is wanted from now on.</summary>
    /// <param name="target">Null = the endpoint shall go.</param>
    /// <param name="revision">The revision that wants it.</param>
    public void Want(EndpointTarget? target, long revision)
    {
        CancellationTokenSource change;
        lock (_lock)
        {
            _revision = revision;
            if (_isStopped || (target == _wanted && (_isRunning || target == _load?.Target)))
                return;
            if (target is not null && target.ServiceId != _serviceId)
            {
                if (_serviceId.Length > 0)
                    parts.Statuses.Remove(_serviceId, key);
                _serviceId = target.ServiceId;
            }

            _wanted = target;
            change = _change;
            _change = new CancellationTokenSource();
            if (!_isRunning)
            {
                _isRunning = true;
                _running = Task.Run(RunAsync);
            }
        }

        // Not under the lock: the loop may go on inside this call.
        change.Cancel();
    }

    /// <summary>Stops working and lets what serves end.</summary>
    public async Task StopAsync()
    {
        Task running;
        CancellationTokenSource change;
        lock (_lock)
        {
            _isStopped = true;
            _wanted = null;
            change = _change;
            running = _running;
        }

        await change.CancelAsync().ConfigureAwait(false);
        await running.ConfigureAwait(false);
        if (_load is not { } load)
            return;
        _load = null;
        parts.Table.Remove(key);
        await RetireAsync(load).ConfigureAwait(false);
    }

    /// <summary>After <see cref="StopAsync"/> or when it is gone.</summary>
    public void Dispose()
    {
        _change.Dispose();
        _models.Dispose();
    }

    private async Task RunAsync()
    {
        var attempt = 0;
        while (true)
        {
            EndpointTarget? target;
            CancellationToken change;
            lock (_lock)
            {
                target = _wanted;
                change = _change.Token;
                if (_isStopped || (target is null ? !_isTold : target == _load?.Target))
                {
                    _isRunning = false;
                    _tried.TrySetResult();
                    return;
                }
            }

            if (target is null)
            {
                Leave();
                continue;
            }

            attempt = await TryLoadAsync(target, change).ConfigureAwait(false) || change.IsCancellationRequested ? 0 : attempt + 1;
            _tried.TrySetResult();
            if (attempt > 0)
                await parts.WaitForRetryAsync(attempt, change).ConfigureAwait(false);
        }
    }

    private async Task<bool> TryLoadAsync(EndpointTarget target, CancellationToken change)
    {
        try
        {
            Tell(target, EndpointPhase.Queued, 0, "");
            EndpointLoad load;
            await parts.Loads.WaitAsync(change).ConfigureAwait(false);
            try
            {
                await _models.WaitAsync(change).ConfigureAwait(false);
                try
                {
                    load = await parts.Loader.LoadAsync(
                        target, _load, (phase, share) => Tell(target, phase, share, ""), change).ConfigureAwait(false);
                    Swap(load);
                }
                finally
                {
                    _models.Release();
                }
            }
            finally
            {
                parts.Loads.Release();
            }

            return true;
        }
        catch (OperationCanceledException) when (change.IsCancellationRequested)
        {
            return false;
        }
        // Whatever goes wrong concerns this endpoint alone.
        catch (Exception error)
        {
            Tell(target, EndpointPhase.Failed, 0, error.Message);
            parts.Logger.EndpointFailed(key, error.Message);
            if (error is not InferenceException)
                parts.Logger.EndpointFault(error, key);
            return false;
        }
    }

    private void Swap(EndpointLoad load)
    {
        var old = _load;
        _load = load;
        parts.Table.Set(new EndpointState(key, EndpointPhase.Ready, "", load.Loaded, load.Target.Spec.ServesLatest)
        {
            ServiceId = load.Target.ServiceId,
        });
        Report(EndpointPhase.Ready, 1, "", load.Target.Spec.ModelId);
        parts.Logger.EndpointReady(key);
        if (old is not null)
            parts.Track(RetireAsync(old));
    }

    private void Leave()
    {
        var load = _load;
        _load = null;
        _isTold = false;
        parts.Table.Remove(key);
        if (load is null)
        {
            parts.Statuses.Remove(_serviceId, key);
            return;
        }

        Report(EndpointPhase.Draining, 0, "", load.Target.Spec.ModelId);
        lock (_lock)
            _leavingCount++;
        parts.Track(LeaveAsync(load));
    }

    private async Task LeaveAsync(EndpointLoad load)
    {
        await RetireAsync(load).ConfigureAwait(false);
        lock (_lock)
        {
            _leavingCount--;
            if (_wanted is null)
                parts.Statuses.Remove(_serviceId, key);
        }

        parts.Logger.EndpointGone(key);
    }

    private async Task RetireAsync(EndpointLoad load)
    {
        try
        {
            await load.Loaded.RetireAsync().ConfigureAwait(false);
            if (load.Loaded.ModelName is not { } model)
                return;
            await _models.WaitAsync().ConfigureAwait(false);
            try
            {
                // A successor of the same name has taken the model's place in the table.
                if (_load?.Loaded.ModelName != model)
                    await parts.Loader.UnloadAsync(model).ConfigureAwait(false);
            }
            finally
            {
                _models.Release();
            }
        }
        // Nobody waits for this; the endpoint is out of the table either way.
        catch (Exception error)
        {
            parts.Logger.EndpointFault(error, key);
        }
    }

    /// <summary>Tells how far a load is; while something serves the endpoint stays ready.</summary>
    private void Tell(EndpointTarget target, EndpointPhase phase, double share, string reason)
    {
        if (_load is not null)
        {
            Report(EndpointPhase.Ready, 1, reason.Length > 0 ? $"serves what it was; the new one failed: {reason}" : "serves what it was until the new one is loaded", _load.Target.Spec.ModelId);
            return;
        }

        _isTold = true;
        parts.Table.Set(new EndpointState(key, phase, reason, null, target.Spec.ServesLatest) { ServiceId = target.ServiceId });
        Report(phase, share, reason, target.Spec.ModelId);
    }

    private void Report(EndpointPhase phase, double progress, string reason, string? modelId) =>
        parts.Statuses.Report(new EndpointStatus(parts.Statuses.Replica, _serviceId, key, phase)
        {
            Progress = progress,
            Reason = reason,
            ModelId = modelId ?? "",
            Revision = Interlocked.Read(ref _revision),
        });
}
