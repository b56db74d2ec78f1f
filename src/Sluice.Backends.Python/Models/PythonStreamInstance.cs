using System.Collections.Concurrent;
using Sluice.Backends.Python.Calls;
using Sluice.Backends.Python.Wire;
using Sluice.Backends.Python.Workers;
using Sluice.Inference;

namespace Sluice.Backends.Python.Models;

/// <summary>One worker process of a decoupled model: many requests under way, any number of responses each.</summary>
internal sealed class PythonStreamInstance : IStreamingInstance, IWorkerClient, IBoundedWork
{
    private readonly ModelSettings _settings;
    private readonly ServerCalls _calls;
    private readonly PythonRuntime _runtime;
    private readonly WorkerHost _host;
    private readonly InstanceReadiness _readiness;
    private readonly RequestFrames _frames;
    private readonly ConcurrentDictionary<uint, PythonStream> _streams = new();
    private uint _number;

    public PythonStreamInstance(ModelSettings settings, PythonRuntime runtime, WorkerPlan plan, WorkerHost? host, WorkerClientProxy? proxy)
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
    public void Initialize(WorkerPlan plan) => _host.InitializeAsync(plan, _runtime.Stopping).GetAwaiter().GetResult();

    /// <summary>Has the model say from time to time whether it is ready.</summary>
    public void FollowReadiness() => _readiness.Begin(() => _host.Ready);

    /// <inheritdoc/>
    public async ValueTask ExecuteAsync(IResponseChannel responses)
    {
        WorkerConnection worker;
        do
        {
            worker = await _host.GetAsync().ConfigureAwait(false);
        }
        while (!worker.TryEnter());
        var stream = new PythonStream(++_number, responses, worker, Environment.TickCount64, _host.Plan.Name, Forget);
        _streams[stream.Number] = stream;
        try
        {
            Send(stream, responses, worker);
        }
        catch
        {
            _streams.TryRemove(stream.Number, out _);
            stream.Abandon();
            throw;
        }

        if (worker.IsGone)
            stream.Fail("it takes no requests");
        await stream.Returned.ConfigureAwait(false);
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
        foreach (var stream in _streams.Values)
        {
            if (stream.HasReturned)
                continue;
            if (limits.Execution > TimeSpan.Zero && TimeSpan.FromMilliseconds(now - stream.StartedAt) > limits.Execution)
                stream.Worker.Kill($"an execution took longer than its limit of {limits.Execution.TotalSeconds} seconds");
            else if (stream.CancelledAt != 0 && TimeSpan.FromMilliseconds(now - stream.CancelledAt) > limits.CancelGrace)
                stream.Worker.Kill($"it went on {limits.CancelGrace.TotalSeconds} seconds after its request was cancelled");
        }

        if (_host.Ready is { } worker)
            PythonRuntime.CheckMemory(worker, limits);
    }

    void IWorkerClient.OnFrame(WorkerConnection worker, byte kind, ReadOnlySpan<byte> frame)
    {
        var reader = new FrameReader(frame);
        if (kind == Frames.Pong)
        {
            _readiness.Take(reader.U8() != 0);
            return;
        }

        if (kind is not (Frames.Replied or Frames.Response))
            throw new WireException($"a frame of kind {kind}");
        var (number, _, flags) = (reader.U32(), reader.U32(), reader.U32());
        if (!_streams.TryGetValue(number, out var stream))
            throw new WireException($"an answer to request {number}, which is not under way");
        if (kind == Frames.Replied && (flags & Frames.Leaving) != 0)
            _host.Discard(worker);
        else
            _host.MarkServed();
        if (kind == Frames.Replied)
            stream.OnReturned(ref reader);
        else
            stream.OnResponse(ref reader, isFinal: (flags & 1) != 0);
    }

    void IWorkerClient.OnCall(WorkerConnection worker, byte kind, ReadOnlySpan<byte> frame)
    {
        if (kind != Frames.FlushCall)
        {
            _calls.OnCall(worker, kind, frame);
            return;
        }

        var reader = new FrameReader(frame);
        var (call, number) = (reader.U32(), reader.U32());
        if (_streams.TryGetValue(number, out var stream))
            stream.Confirm(call);
        else
            ServerCalls.Confirm(worker, call);
    }

    void IWorkerClient.OnOutput(WorkerConnection worker, bool isError, string line) =>
        _runtime.LogOutput(_settings.Name, worker.ProcessId, isError, line);

    void IWorkerClient.OnEnded(WorkerConnection worker, string reason)
    {
        _calls.Abandon(worker);
        foreach (var stream in _streams.Values)
        {
            if (ReferenceEquals(stream.Worker, worker))
                stream.Fail(reason);
        }
    }

    private void Forget(PythonStream stream) => _streams.TryRemove(stream.Number, out _);

    private void Send(PythonStream stream, IResponseChannel responses, WorkerConnection worker)
    {
        var frame = _frames.Write(stream.Number, responses.Request, responses.Inputs, stream.Slot, worker, out var block);
        stream.Begin(block);
        if (!worker.Main.Send(frame))
            stream.Fail("it takes no requests");
    }
}
