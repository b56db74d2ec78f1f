using System.Buffers;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Scheduling.Dynamic;
using Sluice.Tensors;

namespace Sluice.Scheduling.Ensemble;

/// <summary>One request on its way through the steps of an ensemble; pooled per ensemble.</summary>
/// <remarks>
/// <para><b>Ownership.</b> Every step's model is leased from the beginning to the end, so that a request sees one version of each
/// and an unload waits for it. What answers are made of is lent to the client's request until that is reset.</para>
/// <para><b>Threads.</b> Those of the steps.</para>
/// </remarks>
internal sealed class EnsembleRun : ICallLifetime
{
    private const string Deadlock = "unexpected deadlock, at least one output is not set while no more ensemble steps can be made";

    private readonly ModelLease[] _leases;
    private readonly bool[] _isNeeded;
    private readonly EnsembleScope _root;
    private readonly Stack<EnsembleScope>[] _idleScopes;
    private readonly TensorBuffer?[] _inputCopies;
    private readonly ExecutionBatch _answer;
    private CancellationTokenSource? _cancellation;
    private long _inputTicks;
    private long _inferTicks;
    private long _outputTicks;
    private int _failureCount;
    private InferenceCode _failureCode;
    private string _failure = "";
    private volatile bool _hasFailed;
    private int _answerCount;
    private long _answeredAt;

    public EnsembleRun(EnsembleScheduler owner)
    {
        Owner = owner;
        _leases = new ModelLease[Plan.Steps.Length];
        _isNeeded = new bool[Plan.Steps.Length];
        _idleScopes = [.. Plan.Steps.Select(_ => new Stack<EnsembleScope>())];
        _inputCopies = new TensorBuffer?[owner.Settings.Inputs.Length];
        _answer = new ExecutionBatch(owner.Settings, owner.Pool, OnAnswerDropped);
        Answers = new EnsembleAnswers(this);
        _root = new EnsembleScope(this, EnsemblePlan.Root);
    }

    public EnsembleScheduler Owner { get; }

    public EnsemblePlan Plan => Owner.Plan;

    /// <summary>The client's request.</summary>
    public InferRequest Request { get; private set; } = null!;

    public EnsembleAnswers Answers { get; }

    /// <summary>What the steps' requests end with.</summary>
    public ICallLifetime? Lifetime => _cancellation is null ? Request.Lifetime : this;

    /// <summary>The scope whose end makes a response of this request.</summary>
    public int OutputScope { get; private set; }

    /// <summary>Some step failed; nothing new begins.</summary>
    public bool HasFailed => _hasFailed;

    /// <summary>Nobody waits for the answer any more.</summary>
    public bool IsCancelled => Request.Lifetime?.CancellationToken.IsCancellationRequested == true;

    /// <inheritdoc/>
    public CancellationToken CancellationToken => _cancellation?.Token ?? default;

    int ICallLifetime.ClientKey => Request.ClientKey;

    bool ICallLifetime.IsDeadlineExceeded => Request.Lifetime?.IsDeadlineExceeded == true;

    public ModelLease Lease(int step) => _leases[step];

    /// <summary>Tells whether anything that a step makes is wanted this time.</summary>
    public bool IsNeeded(int step) => _isNeeded[step];

    /// <summary>Runs the request.</summary>
    /// <returns>Ends with it; <see cref="InferRequest.Status"/> says how.</returns>
    public ValueTask StartAsync(InferRequest request)
    {
        Request = request;
        _inputTicks = _inferTicks = _outputTicks = _failureCount = _answerCount = 0;
        _hasFailed = false;
        _answeredAt = request.QueuedAt;
        request.PrepareWait();
        var wait = request.WaitAsync();
        if (Plan.HasScopes)
            _cancellation = CancellationTokenSource.CreateLinkedTokenSource(request.Lifetime?.CancellationToken ?? default);
        EnsembleNeeds.Mark(Plan, request, _isNeeded);

        // Whoever wants only what comes once gets it once, and the step that would open the scope does not run.
        OutputScope = Plan.OutputScope;
        while (OutputScope != EnsemblePlan.Root && !_isNeeded[OutputScope])
            OutputScope = Plan.Steps[OutputScope].Scope;
        if (!TryLease() || !TryTakeInputs() || _root.Start())
        {
            if (!Owner.Settings.IsDecoupled)
            {
                Finish();
                return ValueTask.CompletedTask;
            }

            End();
        }

        return wait;
    }

    /// <summary>Takes what a step's request failed with as the failure of all; the first one counts.</summary>
    public void Fail(InferRequest step)
    {
        var isBare = step.Settings?.Ensemble is null &&
            (step.IsRefused || (step.Status == InferenceCode.Unavailable && !step.HasModelFailed));
        if (!_hasFailed)
            Request.RetryAfterMilliseconds = step.RetryAfterMilliseconds;
        Fail(step.Status, isBare ? step.IdPrefix + step.StatusMessage : step.StatusMessage);
    }

    /// <summary>Nobody waits any more.</summary>
    public void FailCancelled()
    {
        var isLate = Request.Lifetime?.IsDeadlineExceeded == true;
        Fail(
            isLate ? InferenceCode.DeadlineExceeded : InferenceCode.Cancelled,
            isLate ? "the deadline passed before the next step could run" : "Request was cancelled");
    }

    /// <summary>Adds the parts of a step's execution to those of the request.</summary>
    public void Add(in RequestTimes step)
    {
        Interlocked.Add(ref _inputTicks, step.Gathered - step.Started);
        Interlocked.Add(ref _inferTicks, step.Inferred - step.Gathered);
        Interlocked.Add(ref _outputTicks, step.Answered - step.Inferred);
    }

    public EnsembleScope RentScope(int step)
    {
        lock (_idleScopes)
        {
            if (_idleScopes[step].TryPop(out var scope))
                return scope;
        }

        return new EnsembleScope(this, step);
    }

    public void Return(EnsembleScope scope)
    {
        lock (_idleScopes)
            _idleScopes[scope.Number].Push(scope);
    }

    /// <summary>Sends a response of a decoupled ensemble.</summary>
    public async ValueTask SendAsync(EnsembleScope scope, ResponseKind kind)
    {
        if (!TryAnswer(scope))
            return;
        var now = Owner.Now;
        if (_answerCount == 0)
            Owner.Statistics.FirstResponseLatency.Record(ModelStatistics.ToNanoseconds(now - Request.ReceivedAt));
        Owner.Statistics.Responses.Record(_answerCount++, ResponseOutcome.Success, now - _answeredAt, -1);
        await Request.Sink!.WriteAsync(Request, kind).ConfigureAwait(false);
        Request.ClearResponse();
        _answeredAt = Owner.Now;
    }

    /// <summary>All steps have ended.</summary>
    public void End()
    {
        if (Owner.Settings.IsDecoupled)
        {
            EndStream();
            return;
        }

        var request = Request;
        Finish();
        request.Complete();
    }

    private async void EndStream()
    {
        var request = Request;
        if (!_hasFailed && OutputScope == EnsemblePlan.Root)
            await SendAsync(_root, ResponseKind.Final).ConfigureAwait(false);
        else if (!_hasFailed)
            await request.Sink!.WriteAsync(request, ResponseKind.EmptyFinal).ConfigureAwait(false);
        if (_hasFailed)
        {
            request.Fail(_failureCode, _failure);
            Owner.Statistics.Responses.Record(
                _answerCount, _failureCode == InferenceCode.Cancelled ? ResponseOutcome.Cancelled : ResponseOutcome.Failure,
                Owner.Now - _answeredAt, -1);
            await request.Sink!.WriteAsync(request, ResponseKind.Final).ConfigureAwait(false);
            request.ClearResponse();
        }

        Record();
        Recycle();
        request.Complete();
    }

    /// <summary>Puts the answer, or the failure, into the client's request.</summary>
    private void Finish()
    {
        if (!_hasFailed)
            TryAnswer(_root);
        Record();
        if (!_hasFailed)
        {
            Drop();
            return;
        }

        Request.Fail(_failureCode, _failure);
        Recycle();
    }

    /// <summary>Lends the outputs of a scope to the client's request.</summary>
    private bool TryAnswer(EnsembleScope scope)
    {
        _answer.Begin(Request.RowCount);
        for (var i = 0; i < Plan.OutputTensors.Length; i++)
        {
            if (!EnsembleNeeds.IsWanted(Request, i))
                continue;
            ref var tensor = ref scope.Find(Plan.OutputTensors[i]);
            if (!tensor.IsSet)
            {
                Fail(InferenceCode.InvalidArgument, Deadlock);
                Request.ClearOutputs();
                return false;
            }

            ref readonly var made = ref tensor.Holder!.Outputs[tensor.Position];
            ref var output = ref Request.AddOutput();
            output = made;
            output.Index = i;
            output.Shape = EnsembleTensor.Fit(in made.Shape, Owner.Settings.Outputs[i], Owner.Settings.MaxBatchSize > 0);
        }

        Request.HoldBatch(_answer);
        _answer.Release();
        return true;
    }

    private void Fail(InferenceCode code, string message)
    {
        if (Interlocked.Increment(ref _failureCount) != 1)
            return;
        _failureCode = code;
        _failure = $"in ensemble '{Owner.Settings.Name}', {message}";
        _hasFailed = true;
        _cancellation?.Cancel();
    }

    private bool TryLease()
    {
        for (var i = 0; i < _leases.Length; i++)
        {
            if (Owner.Models.TryAcquire(Plan.Steps[i].ModelName, Plan.Steps[i].Version, out _leases[i], out var fault))
                continue;
            Fail(fault.Code, Request.IdPrefix + fault.Message);
            return false;
        }

        return true;
    }

    private bool TryTakeInputs()
    {
        try
        {
            foreach (ref var input in Request.Inputs)
            {
                _root.Tensors[Plan.InputTensors[input.Index]] = new EnsembleTensor
                {
                    IsSet = true,
                    DataType = input.DataType,
                    Shape = input.Shape,
                    Data = input.Shared != 0 && input.Owned is null ? CopyShared(in input) : input.Data,
                };
            }

            return true;
        }
        catch (Exception error)
        {
            var (code, message) = ExecutionFault.From(error, Owner.Settings.Name, Owner.Logger);
            Fail(code, message);
            return false;
        }
    }

    /// <summary>What lies in a client's shared memory is copied once: several steps must see the same.</summary>
    private ReadOnlySequence<byte> CopyShared(in InputTensor input)
    {
        var copy = Owner.Pool.Rent(checked((int)input.Data.Length));
        _inputCopies[input.Index] = copy;
        BatchAssembler.Copy(Request, in input, copy.GetSpan());
        return new ReadOnlySequence<byte>(copy.Memory);
    }

    private void Record()
    {
        var (now, statistics) = (Owner.Now, Owner.Statistics);
        if (_hasFailed)
        {
            var reason = _failureCode switch
            {
                InferenceCode.Cancelled or InferenceCode.DeadlineExceeded => FailureReason.Canceled,
                InferenceCode.Unavailable => FailureReason.Rejected,
                InferenceCode.InvalidArgument => FailureReason.Other,
                _ => FailureReason.Backend,
            };
            statistics.RecordFailure(reason, now - Request.ReceivedAt);
            return;
        }

        var timing = new ExecutionTiming(_inputTicks, _inferTicks, _outputTicks);
        statistics.RequestLatency.Record(ModelStatistics.ToNanoseconds(now - Request.ReceivedAt));
        statistics.QueueLatency.Record(0);
        statistics.RecordExecution(Math.Max(1, Request.RowCount), in timing);
        statistics.RecordSuccess(1, Math.Max(1, Request.RowCount), now - Request.ReceivedAt, 0, in timing);

        // The steps' parts added up, as if one execution had had them.
        var gathered = Request.QueuedAt + _inputTicks;
        Request.Times = new RequestTimes(Request.QueuedAt, gathered, gathered + _inferTicks, gathered + _inferTicks + _outputTicks);
    }

    private void OnAnswerDropped(ExecutionBatch answer)
    {
        // A stream has more to send from the same memory.
        if (!Owner.Settings.IsDecoupled)
            Recycle();
    }

    /// <summary>Lets go of the steps' models; what they have made stays until it is written.</summary>
    private void Drop()
    {
        foreach (ref var lease in _leases.AsSpan())
        {
            lease.Dispose();
            lease = default;
        }
    }

    private void Recycle()
    {
        Drop();
        _root.Clear();
        foreach (ref var copy in _inputCopies.AsSpan())
        {
            copy?.Dispose();
            copy = null;
        }

        _cancellation?.Dispose();
        _cancellation = null;
        Request = null!;
        Owner.Return(this);
    }
}
