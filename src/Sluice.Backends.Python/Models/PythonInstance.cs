using System.Threading.Tasks.Sources;
using Sluice.Backends.Python.Calls;
using Sluice.Backends.Python.Wire;
using Sluice.Backends.Python.Workers;
using Sluice.Inference;

namespace Sluice.Backends.Python.Models;

/// <summary>One worker process of a model that answers each request once.</summary>
internal sealed class PythonInstance : IRequestInstance, IWorkerClient, IAnswerTarget, IValueTaskSource, IBoundedWork
{
    private readonly ModelSettings _settings;
    private readonly ServerCalls _calls;
    private readonly PythonRuntime _runtime;
    private readonly WorkerHost _host;
    private readonly InstanceReadiness _readiness;
    private readonly RequestFrames _frames;
    private readonly object _gate = new();
    private ManualResetValueTaskSourceCore<bool> _completion;
    private IRequestGroup? _group;
    private WorkerConnection? _worker;
    private int[] _slots = new int[4];
    private bool[] _isAnswered = new bool[4];
    private bool[] _isCancelled = new bool[4];
    private int _answeredCount;
    private bool _hasReturned;
    private uint _number;
    private long _block;
    private long _startedAt;
    private long _abandonedAt;

    public PythonInstance(ModelSettings settings, PythonRuntime runtime, WorkerPlan plan, WorkerHost? host, WorkerClientProxy? proxy)
    {
        _settings = settings;
        _runtime = runtime;
        _calls = new ServerCalls(runtime, settings.Name);
        _frames = new RequestFrames(settings);
        _readiness = new InstanceReadiness(runtime);
        if (proxy is not null)
            proxy.Client = this;
        _host = host ?? new WorkerHost(plan, this, runtime.Logger, runtime.Time);
        runtime.Watch.Add(this);
    }

    /// <inheritdoc/>
    public bool IsHealthy => _host.Ready is not null && _readiness.IsReady;

    /// <summary>Makes the process ready.</summary>
    public void Initialize(WorkerPlan plan)
    {
        _host.InitializeAsync(plan, _runtime.Stopping).GetAwaiter().GetResult();
    }

    /// <summary>Has the model say from time to time whether it is ready.</summary>
    public void FollowReadiness() => _readiness.Begin(() => _host.Ready);

    /// <inheritdoc/>
    public ValueTask ExecuteAsync(IRequestGroup requests)
    {
        if (_host.Ready is not { } worker || !worker.TryEnter())
            return WaitAndExecuteAsync(requests);
        var version = Begin(requests, worker);
        return new ValueTask(this, version);
    }

    /// <inheritdoc/>
    public void Cancel(int position)
    {
        lock (_gate)
        {
            if (_worker is null || _group is null || position >= _group.Count)
                return;
            _isCancelled[position] = true;
            _worker.Heap.Cancel(_slots[position]);
            if (_abandonedAt == 0 && Array.TrueForAll(_isCancelled[.._group.Count], cancelled => cancelled))
                _abandonedAt = Environment.TickCount64;
        }
    }

    /// <inheritdoc/>
    public void Terminate()
    {
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _runtime.Watch.Remove(this);
        _readiness.Dispose();
        _host.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _calls.Dispose();
    }

    void IBoundedWork.Check(long now)
    {
        var limits = _host.Plan.Limits;
        lock (_gate)
        {
            if (_worker is null || _group is null)
                return;
            var took = TimeSpan.FromMilliseconds(now - _startedAt);
            if (limits.Execution > TimeSpan.Zero && took > limits.Execution)
                _worker.Kill($"an execution took longer than its limit of {limits.Execution.TotalSeconds} seconds");
            else if (_abandonedAt != 0 && TimeSpan.FromMilliseconds(now - _abandonedAt) > limits.CancelGrace)
                _worker.Kill($"it went on {limits.CancelGrace.TotalSeconds} seconds after its requests were cancelled");
            else
                PythonRuntime.CheckMemory(_worker, limits);
        }
    }

    void IWorkerClient.OnFrame(WorkerConnection worker, byte kind, ReadOnlySpan<byte> frame)
    {
        var reader = new FrameReader(frame);
        switch (kind)
        {
            case Frames.Replied:
                OnReplied(worker, ref reader);
                break;
            case Frames.Response:
                OnResponse(worker, ref reader);
                break;
            case Frames.Pong:
                _readiness.Take(worker, reader.U8() != 0);
                break;
            default:
                throw new WireException($"a frame of kind {kind}");
        }
    }

    void IWorkerClient.OnCall(WorkerConnection worker, byte kind, ReadOnlySpan<byte> frame)
    {
        if (kind == Frames.FlushCall)
            ServerCalls.Confirm(worker, new FrameReader(frame).U32());
        else
            _calls.OnCall(worker, kind, frame);
    }

    void IWorkerClient.OnOutput(WorkerConnection worker, bool isError, string line) =>
        _runtime.LogOutput(_settings.Name, worker.ProcessId, isError, line);

    void IWorkerClient.OnEnded(WorkerConnection worker, string reason)
    {
        _calls.Abandon(worker);
        lock (_gate)
        {
            if (!ReferenceEquals(worker, _worker) || _group is null)
                return;
            FailRest(InferenceCode.Unavailable, $"Stub process '{_host.Plan.Name}' is not healthy: {reason}");
        }

        End();
    }

    ExecutionBatch IAnswerTarget.Rent(int position) => _group!.Rent(position);

    void IAnswerTarget.Answer(int position, ExecutionBatch response)
    {
        _group!.Answer(position, response);
        MarkAnswered(position);
    }

    void IAnswerTarget.Reschedule(int position)
    {
        _group!.Reschedule(position);
        MarkAnswered(position);
    }

    void IAnswerTarget.Fail(int position, InferenceCode code, string message)
    {
        _group!.Fail(position, code, message);
        MarkAnswered(position);
    }

    void IValueTaskSource.GetResult(short token) => _completion.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _completion.GetStatus(token);

    void IValueTaskSource.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _completion.OnCompleted(continuation, state, token, flags);

    private async ValueTask WaitAndExecuteAsync(IRequestGroup requests)
    {
        WorkerConnection worker;
        do
        {
            worker = await _host.GetAsync().ConfigureAwait(false);
        }
        while (!worker.TryEnter());
        await new ValueTask(this, Begin(requests, worker)).ConfigureAwait(false);
    }

    private short Begin(IRequestGroup group, WorkerConnection worker)
    {
        if (_slots.Length < group.Count)
        {
            _slots = new int[group.Count];
            _isAnswered = new bool[group.Count];
            _isCancelled = new bool[group.Count];
        }

        Array.Clear(_isAnswered);
        Array.Clear(_isCancelled);
        for (var i = 0; i < group.Count; i++)
            _slots[i] = worker.Heap.TakeSlot();
        _completion.Reset();
        var version = _completion.Version;
        bool isSent;
        lock (_gate)
        {
            var frame = Write(group, worker);
            _answeredCount = 0;
            _hasReturned = false;
            _startedAt = Environment.TickCount64;
            _abandonedAt = 0;
            _group = group;
            _worker = worker;
            isSent = !worker.IsGone && worker.Main.Send(frame);
            if (!isSent)
                FailRest(InferenceCode.Unavailable, $"Stub process '{_host.Plan.Name}' is not healthy: it takes no requests");
        }

        if (!isSent)
            End();
        return version;
    }

    private ReadOnlySpan<byte> Write(IRequestGroup group, WorkerConnection worker)
    {
        try
        {
            return _frames.Write(++_number, group, _slots, worker, out _block);
        }
        catch
        {
            foreach (var slot in _slots.AsSpan(0, group.Count))
                worker.Heap.ReturnSlot(slot);
            worker.Leave();
            throw;
        }
    }

    private void OnReplied(WorkerConnection worker, ref FrameReader reader)
    {
        var (number, count, flags) = (reader.U32(), reader.U32(), reader.U32());
        if ((flags & Frames.Leaving) != 0)
            _host.Discard(worker);
        if (number != _number || _group is null || count != _group.Count || _hasReturned)
            throw new WireException($"an answer to execution {number} where {_number} is under way");
        for (var i = 0; i < count; i++)
        {
            var target = _isAnswered[i] ? null : this;
            if (target is null && reader.U8() == Frames.None)
                reader.Skip(7);
            else if (target is null)
                throw new WireException("a second answer to a request");
            else
                AnswerReader.Read(ref reader, worker, _block, this, i);
        }

        _hasReturned = true;
        if (flags == 0)
            _host.MarkServed();
        EndIfOver();
    }

    private void OnResponse(WorkerConnection worker, ref FrameReader reader)
    {
        var (number, position) = (reader.U32(), (int)reader.U32());
        reader.Skip(4);
        if (number != _number || _group is null || (uint)position >= (uint)_group.Count || _isAnswered[position])
            throw new WireException($"a response to request {position} of execution {number}");
        if (!AnswerReader.Read(ref reader, worker, _block, this, position))
        {
            _group.Fail(position, InferenceCode.Internal, $"expected a single response, got 0");
            MarkAnswered(position);
        }

        EndIfOver();
    }

    private void EndIfOver()
    {
        if (_hasReturned && _answeredCount == _group!.Count)
            End();
    }

    private void MarkAnswered(int position)
    {
        _isAnswered[position] = true;
        _answeredCount++;
    }

    private void FailRest(InferenceCode code, string message)
    {
        for (var i = 0; i < _group!.Count; i++)
        {
            if (!_isAnswered[i])
                ((IAnswerTarget)this).Fail(i, code, message);
        }
    }

    private void End()
    {
        lock (_gate)
        {
            if (_group is null)
                return;
            for (var i = 0; i < _group.Count; i++)
                _worker!.Heap.ReturnSlot(_slots[i]);
            _worker!.Leave();
            _group = null;
            _worker = null;
        }

        _completion.SetResult(true);
    }
}
