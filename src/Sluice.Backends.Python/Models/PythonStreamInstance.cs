using System.Collections.Concurrent;
using Sluice.Backends.Python.Calls;
using Sluice.Backends.Python.Wire;
using Sluice.Backends.Python.Workers;
using Sluice.Inference;

namespace Sluice.Backends.Python.Models;

/// <summary>One worker process of a decoupled model: many requests under way, any number of responses each.</summary>
internal sealed class PythonStreamInstance : IStreamingGroupInstance, IWorkerClient, IBoundedWork
{
    private readonly ModelSettings _settings;
    private readonly ServerCalls _calls;
    private readonly PythonRuntime _runtime;
    private readonly WorkerHost _host;
    private readonly InstanceReadiness _readiness;
    private readonly RequestFrames _frames;
    private readonly ConcurrentDictionary<uint, PythonStreamExecution> _executions = new();
    private readonly IResponseChannel[] _single = new IResponseChannel[1];
    private readonly bool _mayOverlap;
    private uint _number;

    public PythonStreamInstance(ModelSettings settings, PythonRuntime runtime, WorkerPlan plan, WorkerHost? host, WorkerClientProxy? proxy)
    {
        _settings = settings;
        _runtime = runtime;
        _calls = new ServerCalls(runtime, settings.Name);
        _frames = new RequestFrames(settings);

        // The next step of a sequence does not meet the one before, and resources are held for one execution at a time.
        _mayOverlap = settings.Sequence is null && settings.InstanceGroups.All(group => group.RateLimit is not { Needs.Length: > 0 });
        _readiness = new InstanceReadiness(runtime);
        if (proxy is not null)
            proxy.Client = this;
        _host = host ?? new WorkerHost(plan, this, runtime.Logger, runtime.Time);
        runtime.Watch.Add(this);
    }

    /// <inheritdoc/>
    public bool IsHealthy => _host.Ready is not null && _readiness.IsReady;

    /// <summary>Makes the process ready.</summary>
    public void Initialize(WorkerPlan plan) => _host.InitializeAsync(plan, _runtime.Stopping).GetAwaiter().GetResult();

    /// <summary>Has the model say from time to time whether it is ready.</summary>
    public void FollowReadiness() => _readiness.Begin(() => _host.Ready);

    /// <inheritdoc/>
    public ValueTask ExecuteAsync(IResponseChannel responses)
    {
        _single[0] = responses;
        return ExecuteAsync(_single);
    }

    /// <inheritdoc/>
    /// <remarks>What cannot be sent together, since one request is at fault or all need too much memory, is sent one by one.</remarks>
    public async ValueTask ExecuteAsync(ReadOnlyMemory<IResponseChannel> requests)
    {
        try
        {
            await RunAsync(requests).ConfigureAwait(false);
            return;
        }
        catch (Exception error) when (requests.Length > 1 && error is OverflowException or InferenceException { Code: InferenceCode.ResourceExhausted })
        {
        }

        // A reader that takes nothing of a failure does not keep the others from their turn.
        var failing = new List<Task>();
        for (var i = 0; i < requests.Length; i++)
        {
            try
            {
                await RunAsync(requests.Slice(i, 1)).ConfigureAwait(false);
            }
            catch (Exception error)
            {
                var code = (error as InferenceException)?.Code ?? InferenceCode.Internal;
                failing.Add(requests.Span[i].FailAsync(code, error.Message, isFinal: true).AsTask());
            }
        }

        await Task.WhenAll(failing).ConfigureAwait(false);
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
        foreach (var execution in _executions.Values)
        {
            if (execution.WhyOverdue(limits, now) is { } reason)
                execution.Worker.Kill(reason);
        }

        if (_host.Ready is { } worker)
            PythonRuntime.CheckMemory(worker, limits);
    }

    void IWorkerClient.OnFrame(WorkerConnection worker, byte kind, ReadOnlySpan<byte> frame)
    {
        var reader = new FrameReader(frame);
        if (kind == Frames.Pong)
        {
            _readiness.Take(worker, reader.U8() != 0);
            return;
        }

        if (kind is not (Frames.Replied or Frames.Response or Frames.Next))
            throw new WireException($"a frame of kind {kind}");
        var number = reader.U32();
        if (!_executions.TryGetValue(number, out var execution))
            throw new WireException($"an answer to execution {number}, which is not under way");
        switch (kind)
        {
            case Frames.Next:
                execution.GoOn(isTurnOver: _mayOverlap);
                break;
            case Frames.Replied:
                OnReplied(execution, ref reader);
                break;
            default:
                OnResponse(execution, ref reader);
                break;
        }
    }

    void IWorkerClient.OnCall(WorkerConnection worker, byte kind, ReadOnlySpan<byte> frame)
    {
        if (kind != Frames.FlushCall)
        {
            _calls.OnCall(worker, kind, frame);
            return;
        }

        var reader = new FrameReader(frame);
        var (call, number, index) = (reader.U32(), reader.U32(), reader.U32());
        if (_executions.TryGetValue(number, out var execution) && index < execution.Streams.Length)
            execution.Streams[(int)index].Confirm(call);
        else
            ServerCalls.Confirm(worker, call);
    }

    void IWorkerClient.OnOutput(WorkerConnection worker, bool isError, string line) =>
        _runtime.LogOutput(_settings.Name, worker.ProcessId, isError, line);

    void IWorkerClient.OnEnded(WorkerConnection worker, string reason)
    {
        _calls.Abandon(worker);
        foreach (var execution in _executions.Values)
        {
            if (ReferenceEquals(execution.Worker, worker))
                execution.Fail(Unhealthy(reason));
        }
    }

    private async ValueTask RunAsync(ReadOnlyMemory<IResponseChannel> requests)
    {
        WorkerConnection worker;
        do
        {
            worker = await _host.GetAsync().ConfigureAwait(false);
        }
        while (!worker.TryEnter());
        var execution = new PythonStreamExecution(++_number, requests.Span, worker, Environment.TickCount64, Forget);
        try
        {
            Send(execution);
        }
        catch
        {
            execution.Abandon();
            throw;
        }

        await execution.Turn.ConfigureAwait(false);
    }

    private string Unhealthy(string reason) => $"Stub process '{_host.Plan.Name}' is not healthy: {reason}";

    private void Forget(PythonStreamExecution execution) => _executions.TryRemove(execution.Number, out _);

    private void OnReplied(PythonStreamExecution execution, ref FrameReader reader)
    {
        var (count, flags) = (reader.U32(), reader.U32());
        if ((flags & Frames.Leaving) != 0)
            _host.Discard(execution.Worker);
        else
            _host.MarkServed();
        execution.OnReturned(ref reader, count);
    }

    private void OnResponse(PythonStreamExecution execution, ref FrameReader reader)
    {
        var (index, flags) = (reader.U32(), reader.U32());
        if (index >= execution.Streams.Length)
            throw new WireException($"a response to request {index} of execution {execution.Number}");
        _host.MarkServed();
        execution.Streams[(int)index].OnResponse(ref reader, isFinal: (flags & 1) != 0);
    }

    private void Send(PythonStreamExecution execution)
    {
        var frame = _frames.Write(execution, out var block);
        execution.Begin(block);
        _executions[execution.Number] = execution;
        var isSent = execution.Worker.Main.Send(frame);
        if (!isSent && block >= 0)
            execution.Worker.Heap.Release(block);
        if (!isSent || execution.Worker.IsGone)
            execution.Fail(Unhealthy("it takes no requests"));
    }
}
