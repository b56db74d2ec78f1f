using System.Runtime.CompilerServices;
using Sluice.Inference;
using Sluice.Scheduling.Dynamic;

namespace Sluice.Scheduling.Decoupled;

/// <summary>One request under way at a streaming instance; pooled per model.</summary>
/// <remarks>
/// <para>The request ends with the final response, the channel when the execution has ended too. The request's end is carried
/// out on the pool: the waiter may do anything, and no thread of an instance may be kept by it.</para>
/// <para>A response is placed in the request and written from there, so one response at a time is in memory. A model that is
/// not decoupled has its only response collected; any other number is a failure.</para>
/// </remarks>
internal sealed class ResponseChannel(IChannelOwner owner) : IResponseChannel, IThreadPoolWorkItem, IDisposable
{
    private const int ExecutionAndRequest = 2;

    private readonly SemaphoreSlim _turn = new(1, 1);
    private InferRequest? _request;
    private ExecutionBatch? _inputs;
    private IResponseSink? _sink;
    private GroupExecution? _group;
    private bool _isGathered;
    private bool _isFinal;
    private bool _hasFailed;
    private bool _endsInFailure;
    private int _parts;
    private int _count;
    private int _index;
    private long _startedAt;
    private long _gatheredAt;
    private long _stepAt;
    private long _rentedAt;
    private long _writingTicks;

    public InferRequest Request => _request!;

    /// <summary>The request is to come again.</summary>
    public bool IsPaused { get; private set; }

    public ExecutionBatch Inputs => _inputs!;

    public CancellationToken CancellationToken { get; private set; }

    /// <summary>Begins to serve a request; its inputs are gathered here.</summary>
    /// <exception cref="InferenceException">The inputs cannot be gathered.</exception>
    public void Begin(InferRequest request)
    {
        _count = _index = 0;
        _hasFailed = false;
        Resume(request);
    }

    /// <summary>Begins another step of the request that the channel had; responses are counted on.</summary>
    /// <exception cref="InferenceException">The inputs cannot be gathered.</exception>
    public void Resume(InferRequest request)
    {
        _request = request;
        _sink = owner.EngineSettings.IsDecoupled ? request.Sink : null;
        _group = null;
        _isFinal = _isGathered = IsPaused = _endsInFailure = false;
        _parts = ExecutionAndRequest;
        _rentedAt = _writingTicks = 0;
        _startedAt = _gatheredAt = _stepAt = owner.Now;
        CancellationToken = request.Lifetime?.CancellationToken ?? CancellationToken.None;
        _inputs = owner.RentBatch(owner.EngineSettings.MaxBatchSize == 0 ? 1 : request.RowCount);
        BatchAssembler.Assemble(_inputs, new ReadOnlySpan<InferRequest>(in request));
        _gatheredAt = owner.Now;
        _isGathered = true;
    }

    /// <summary>Says that the request is executed together with others; before the execution begins.</summary>
    public void Join(GroupExecution group) => _group = group;

    public void Dispose() => _turn.Dispose();

    public ExecutionBatch Rent()
    {
        var response = owner.RentBatch(_inputs!.RowCount);
        for (var i = 0; i < owner.EngineSettings.ClientOutputCount; i++)
        {
            if (_inputs.IsRequested(i))
                response.Request(i);
        }

        foreach (var index in owner.EngineSettings.StateOutputs)
            response.Request(index);
        _rentedAt = owner.Now;
        return response;
    }

    public void SkipResponse()
    {
        var now = owner.Now;
        owner.Statistics.Responses.Record(_index++, ResponseOutcome.Empty, now - _stepAt, -1);
        _stepAt = now;
    }

    [AsyncMethodBuilder(typeof(WaitingMethodBuilder))]
    public async ValueTask SendAsync(ExecutionBatch response, bool isFinal)
    {
        await _turn.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            Place(response, isFinal);
            await WriteAsync(isFinal ? ResponseKind.Final : ResponseKind.Partial).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }

        if (isFinal)
            Finish();
    }

    public ValueTask FailAsync(InferenceCode code, string message, bool isFinal) => FailAsync(code, message, isFinal, isOfModel: true);

    [AsyncMethodBuilder(typeof(WaitingMethodBuilder))]
    public async ValueTask CompleteAsync()
    {
        await _turn.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            Open(isFinal: true);
            await WriteAsync(ResponseKind.EmptyFinal).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }

        Finish();
    }

    [AsyncMethodBuilder(typeof(WaitingMethodBuilder))]
    public async ValueTask RescheduleAsync()
    {
        if (!owner.AllowsReschedule)
        {
            await FailAsync(InferenceCode.InvalidArgument, RequestEndings.CannotReschedule, isFinal: true).ConfigureAwait(false);
            return;
        }

        await _turn.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            Open(isFinal: true);
            IsPaused = true;
        }
        finally
        {
            _turn.Release();
        }

        Finish();
    }

    /// <summary>The instance's execution has ended, well or with an error.</summary>
    public ValueTask EndExecutionAsync(Exception? error)
    {
        if (error is null)
        {
            Leave();
            return ValueTask.CompletedTask;
        }

        return FailExecutionAsync(error);
    }

    void IThreadPoolWorkItem.Execute()
    {
        var request = _request!;
        if (IsPaused)
        {
            var stepTicks = owner.Now - _startedAt - _writingTicks;
            owner.Statistics.RecordExecution(Math.Max(1, request.RowCount), new ExecutionTiming(0, stepTicks, 0));
            _inputs?.Release();
            _inputs = null;
            Leave();
            owner.Pause(request, this);
            return;
        }

        if (!owner.EngineSettings.IsDecoupled && _count != 1 && request.IsOk)
            FailCount(request);
        Record(request);
        _inputs?.Release();
        _inputs = null;
        _request = null;
        _sink = null;
        var endsInFailure = _endsInFailure;
        Leave();
        owner.End(request, endsInFailure);
    }

    [AsyncMethodBuilder(typeof(WaitingMethodBuilder))]
    private async ValueTask FailAsync(InferenceCode code, string message, bool isFinal, bool isOfModel)
    {
        await _turn.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            Open(isFinal);
            _request!.HasModelFailed |= isOfModel;
            Fail(code, message);
            await WriteAsync(isFinal ? ResponseKind.Final : ResponseKind.Partial).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }

        if (isFinal)
            Finish();
    }

    private async ValueTask FailExecutionAsync(Exception error)
    {
        var (code, message) = ExecutionFault.From(error, owner.EngineSettings.Name, owner.Logger);
        try
        {
            await FailAsync(code, message, isFinal: true, isOfModel: false).ConfigureAwait(false);
        }
        catch (InvalidOperationException)
        {
            // The final response had been sent; the caller has what it needs.
        }

        Leave();
    }

    /// <summary>Puts a response into the request; one that does not fit becomes a failure.</summary>
    private void Place(ExecutionBatch response, bool isFinal)
    {
        try
        {
            Open(isFinal);
            for (var i = 0; i < owner.EngineSettings.ClientOutputCount; i++)
            {
                if (response.IsRequested(i) && response.GetOutput(i, out _) is null)
                    response.Withdraw(i);
            }

            if (_sink is not null || _count == 0)
                owner.Split(response, new ReadOnlySpan<InferRequest>(in _request!));
            Count(ResponseOutcome.Success);
        }
        catch (InferenceException error)
        {
            Fail(error.Code, error.Message);
        }
        finally
        {
            response.Release();
        }
    }

    private void Open(bool isFinal)
    {
        if (_isFinal || _request is null)
            throw new InvalidOperationException($"model '{owner.EngineSettings.Name}' answered after its final response");
        _isFinal = isFinal;
    }

    private void Fail(InferenceCode code, string message)
    {
        _hasFailed = true;
        _endsInFailure = _isFinal;
        _request!.ClearOutputs();
        if (code == InferenceCode.Cancelled)
            RequestEndings.FailCancelled(_request);
        else
            _request.Fail(code, message);
        Count(code == InferenceCode.Cancelled ? ResponseOutcome.Cancelled : ResponseOutcome.Failure);
    }

    private void Count(ResponseOutcome outcome)
    {
        var now = owner.Now;
        var statistics = owner.Statistics;
        if (_count++ == 0)
            statistics.FirstResponseLatency.Record(ModelStatistics.ToNanoseconds(now - _request!.ReceivedAt));
        var storingSince = _rentedAt >= _stepAt ? _rentedAt : now;
        var hasOutput = _rentedAt >= _stepAt && outcome != ResponseOutcome.Cancelled;
        statistics.Responses.Record(_index++, outcome, storingSince - _stepAt, hasOutput ? now - storingSince : -1);
    }

    [AsyncMethodBuilder(typeof(WaitingMethodBuilder))]
    private async ValueTask WriteAsync(ResponseKind kind)
    {
        var began = owner.Now;
        if (_sink is not null)
        {
            await _sink.WriteAsync(_request!, kind).ConfigureAwait(false);
            _request!.ClearResponse();
        }

        // Waiting for a slow reader is not the model's time.
        _stepAt = owner.Now;
        _writingTicks += _stepAt - began;
    }

    private void FailCount(InferRequest request)
    {
        request.ClearOutputs();
        request.ClearFailure();
        request.Fail(InferenceCode.Internal, $"expected a single response, got {_count}");
        _hasFailed = _endsInFailure = true;
    }

    private void Record(InferRequest request)
    {
        var now = owner.Now;
        var statistics = owner.Statistics;
        var timing = new ExecutionTiming(0, now - _startedAt - _writingTicks, 0);
        request.Times = new RequestTimes(_startedAt, _gatheredAt, now, now);
        request.Trace?.MarkExecution(request.QueuedAt, _startedAt, _gatheredAt, now, now);
        RecordExecution(Math.Max(1, request.RowCount), in timing);
        if (_hasFailed)
        {
            if (CancellationToken.IsCancellationRequested)
                statistics.RecordCancelled(
                    request.Lifetime?.IsDeadlineExceeded == true ? InferenceCode.DeadlineExceeded : InferenceCode.Cancelled, now - request.ReceivedAt);
            else
                statistics.RecordFailure(FailureReason.Backend, now - request.ReceivedAt);
            return;
        }

        statistics.RequestLatency.Record(ModelStatistics.ToNanoseconds(now - request.ReceivedAt));
        statistics.QueueLatency.Record(ModelStatistics.ToNanoseconds(_startedAt - request.QueuedAt));
        statistics.RecordSuccess(1, request.RowCount, now - request.ReceivedAt, _startedAt - request.QueuedAt, in timing);
    }

    /// <summary>Counts the execution, when there was one and no other request of it is still under way.</summary>
    private void RecordExecution(int rows, in ExecutionTiming timing)
    {
        var group = _group;
        _group = null;
        if (_isGathered && (group is null || group.Leave(out rows)))
            owner.Statistics.RecordExecution(rows, in timing);
    }

    private void Finish() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    private void Leave()
    {
        if (Interlocked.Decrement(ref _parts) == 0)
            owner.Return(this);
    }
}
