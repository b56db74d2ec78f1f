using Sluice.Backends.Python.Calls;
using Sluice.Backends.Python.Wire;
using Sluice.Backends.Python.Workers;
using Sluice.Inference;

namespace Sluice.Backends.Python.Endpoints;

/// <summary>One worker process of an endpoint, with the calls that it has.</summary>
/// <remarks><b>Threads.</b> Any may call; the worker's thread answers.</remarks>
internal sealed class EndpointWorker : IWorkerClient, IBoundedWork, IAsyncDisposable
{
    // A call that was never begun may be given to the next process; one that keeps ending processes may not.
    private const int MostAttempts = 3;

    private readonly PythonRuntime _runtime;
    private readonly EndpointPlan _plan;
    private readonly ServerCalls _calls;
    private readonly object _gate = new();
    private readonly Dictionary<uint, PendingCall> _pending = [];
    private readonly FrameWriter _writer = new();
    private WorkerConnection? _worker;

    public EndpointWorker(PythonRuntime runtime, EndpointPlan plan, WorkerPlan process)
    {
        _runtime = runtime;
        _plan = plan;
        _calls = new ServerCalls(runtime, plan.Key) { Endpoints = plan.Calls, Model = plan.Model };
        Host = new WorkerHost(process, this, runtime.Logger, runtime.Time);
        runtime.Watch.Add(this);
    }

    public WorkerHost Host { get; }

    /// <summary>Calls that it has, racy.</summary>
    public int PendingCount => _pending.Count;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await Host.LoadAsync(cancellationToken).ConfigureAwait(false);
        await Host.InitializeAsync(Host.Plan, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Gives a call to the process.</summary>
    /// <exception cref="InferenceException">There is no process, or no room.</exception>
    public async ValueTask SendAsync(PendingCall call)
    {
        while (true)
        {
            var worker = Host.Ready;
            if (worker is null || !worker.TryEnter())
            {
                await Host.GetAsync().ConfigureAwait(false);
                continue;
            }

            try
            {
                lock (_gate)
                    Send(call, worker);
                return;
            }
            finally
            {
                worker.Leave();
            }
        }
    }

    /// <summary>Nobody waits for the answer any more.</summary>
    public void Cancel(PendingCall call)
    {
        lock (_gate)
        {
            if (!_pending.ContainsKey(call.Number) || _worker is null || !_worker.TryEnter())
                return;
            if (call.CancelledAt == 0)
                call.CancelledAt = Environment.TickCount64;
            _worker.Heap.Cancel(call.Slot);
            _worker.Leave();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync().ConfigureAwait(false);
        _runtime.Watch.Remove(this);
        _calls.Dispose();
    }

    void IBoundedWork.Check(long now)
    {
        var limits = Host.Plan.Limits;
        lock (_gate)
        {
            if (_worker is not { } worker || _pending.Count == 0 || !worker.TryEnter())
                return;
            foreach (var call in _pending.Values)
            {
                if (call.StartedAt == 0 && worker.Heap.HasStarted(call.Slot))
                    call.StartedAt = now;
                if (call.StartedAt != 0)
                    CheckOne(call, worker, limits, now);
            }

            worker.Leave();
            PythonRuntime.CheckMemory(worker, limits);
        }
    }

    void IWorkerClient.OnFrame(WorkerConnection worker, byte kind, ReadOnlySpan<byte> frame)
    {
        if (kind != Frames.EndpointReply)
            throw new WireException($"a frame of kind {kind}");
        var reader = new FrameReader(frame);
        var number = reader.U32();
        PendingCall? call;
        lock (_gate)
        {
            if (!_pending.Remove(number, out call))
                throw new WireException($"a reply to call {number}, which is not under way");
            worker.Heap.ReturnSlot(call.Slot);
        }

        Host.MarkServed();
        call.Complete(ReadReply(ref reader, worker));
    }

    void IWorkerClient.OnCall(WorkerConnection worker, byte kind, ReadOnlySpan<byte> frame) => _calls.OnCall(worker, kind, frame);

    void IWorkerClient.OnOutput(WorkerConnection worker, bool isError, string line) =>
        _runtime.LogOutput(_plan.Key, worker.ProcessId, isError, line);

    void IWorkerClient.OnEnded(WorkerConnection worker, string reason)
    {
        _calls.Abandon(worker);
        List<PendingCall> waiting = [], lost = [];
        lock (_gate)
        {
            if (!ReferenceEquals(worker, _worker))
                return;
            foreach (var call in _pending.Values)
                (worker.Heap.HasStarted(call.Slot) || call.Attempts >= MostAttempts ? lost : waiting).Add(call);
            _pending.Clear();
            _worker = null;
        }

        foreach (var call in lost)
            call.Complete(Lost(reason));
        foreach (var call in waiting)
            _ = SendAgainAsync(call);
    }

    private static void CheckOne(PendingCall call, WorkerConnection worker, WorkerLimits limits, long now)
    {
        if (limits.Execution > TimeSpan.Zero && TimeSpan.FromMilliseconds(now - call.StartedAt) > limits.Execution)
            worker.Kill($"a call took longer than its limit of {limits.Execution.TotalSeconds} seconds");
        else if (call.CancelledAt != 0 && TimeSpan.FromMilliseconds(now - call.CancelledAt) > limits.CancelGrace)
            worker.Kill($"it went on {limits.CancelGrace.TotalSeconds} seconds after its call was cancelled");
    }

    private EndpointReply Lost(string reason) => EndpointReply.Fail(
        EndpointOutcome.Unavailable, $"the process of endpoint '{_plan.Key}' has ended: {reason}");

    private async Task SendAgainAsync(PendingCall call)
    {
        try
        {
            call.StartedAt = 0;
            await SendAsync(call).ConfigureAwait(false);
        }
        catch (InferenceException error)
        {
            call.Complete(EndpointReply.Fail(EndpointOutcome.Unavailable, error.Message));
        }
    }

    private void Send(PendingCall call, WorkerConnection worker)
    {
        var content = call.Call.Content.Span;
        var block = content.Length > Frames.InlineLimit ? worker.Heap.Allocate(content.Length, _plan.Key) : -1;
        call.Attempts++;
        call.Slot = worker.Heap.TakeSlot();
        _writer.Begin(Frames.EndpointCall);
        _writer.U32(call.Number);
        _writer.U32((uint)call.Slot);
        _writer.U32(0);
        _writer.U16(Math.Min(call.Call.Depth, ushort.MaxValue));
        _writer.U8((byte)call.Call.Body);
        _writer.U8(call.Call.WantsStatistics ? (byte)1 : (byte)0);
        _writer.U64(block >= 0 ? (ulong)block : Frames.NoBlock);
        _writer.U64((ulong)content.Length);
        if (block >= 0)
            Place(worker, block, content);
        else
            _writer.Bytes(content);
        _worker = worker;
        _pending[call.Number] = call;
        if (worker.Main.Send(_writer.End()))
            return;
        _pending.Remove(call.Number);
        worker.Heap.ReturnSlot(call.Slot);
        throw new InferenceException(InferenceCode.Unavailable, $"the process of endpoint '{_plan.Key}' takes no calls");
    }

    private static unsafe void Place(WorkerConnection worker, long block, ReadOnlySpan<byte> content) =>
        content.CopyTo(new Span<byte>(worker.Heap.Region.At(block), content.Length));

    private static unsafe EndpointReply ReadReply(ref FrameReader reader, WorkerConnection worker)
    {
        var outcome = reader.U8();
        reader.Skip(1);
        var status = reader.U16();
        var (typeLength, statisticsLength, detailLength, traceLength) = (reader.U16(), reader.U32(), reader.U32(), reader.U32());
        var (offset, length) = (reader.U64(), reader.U64());
        if (outcome > (byte)EndpointOutcome.Raised || length > int.MaxValue)
            throw new WireException($"a reply of outcome {outcome} and {length} bytes");
        var type = reader.Text(typeLength);
        var statistics = reader.Bytes(statisticsLength).ToArray();
        var (detail, trace) = (reader.Text(detailLength), reader.Text(traceLength));
        byte[] content;
        if (offset == Frames.NoBlock)
        {
            content = reader.Bytes((uint)length).ToArray();
        }
        else
        {
            if (!worker.Region.Holds(offset, length))
                throw new WireException($"a reply of {length} bytes at {offset}");
            content = new ReadOnlySpan<byte>(worker.Region.At((long)offset), (int)length).ToArray();
            Models.AnswerReader.Free(worker, offset);
        }

        return new EndpointReply(
            (EndpointOutcome)outcome, content, type.Length > 0 ? type : "application/json", detail.Length > 0 ? detail : null)
        {
            Status = status is >= 200 and <= 599 ? status : 200,
            StatisticsJson = statistics,
            Traceback = trace.Length > 0 ? trace : null,
        };
    }
}
