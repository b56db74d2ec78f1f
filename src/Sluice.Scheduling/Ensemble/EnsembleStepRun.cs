using System.Buffers;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Sluice.Inference;

namespace Sluice.Scheduling.Ensemble;

/// <summary>One step of one request, or of one response of a decoupled step before it; kept with its scope and used again.</summary>
/// <remarks>
/// <para><b>Ownership.</b> Its request holds the outputs' memory until the last step that reads them has ended, or to the end of
/// the scope when an inner scope or the answer reads them.</para>
/// <para><b>Threads.</b> Whoever ends the last step that it waited for runs it.</para>
/// </remarks>
internal sealed class EnsembleStepRun : IResponseSink
{
    private readonly EnsembleScope _scope;
    private readonly EnsembleStep _step;
    private readonly int _number;
    private readonly InferRequest _request = new();
    private readonly Action _resume;
    private readonly EnsembleRoom? _room;
    private ValueTaskAwaiter _running;
    private TaskCompletionSource? _innerEnd;
    private int _waitCount;
    private int _readerCount;
    private bool _hasReaders;

    public EnsembleStepRun(EnsembleScope scope, int number)
    {
        _scope = scope;
        _number = number;
        _step = scope.Run.Plan.Steps[number];
        _resume = Resume;
        if (_step.IsDecoupled)
            _room = new EnsembleRoom(scope.Run.Owner.MaxInflight);
    }

    public int Number => _number;

    private EnsembleRun Run => _scope.Run;

    /// <summary>Gets ready; no step of the scope runs yet.</summary>
    public void Prepare()
    {
        // What does not come, because it was not sent, is waited for too: then the step never runs.
        _waitCount = Count(_step.Producers) + (LacksFromOutside() ? 1 : 0);
        _readerCount = Count(_step.Consumers);
        _hasReaders = _readerCount > 0;
        StartsAtOnce = _waitCount == 0;
    }

    /// <summary>Waits for no other step of its scope.</summary>
    public bool StartsAtOnce { get; private set; }

    /// <summary>Runs the step, and those that can run after it, on this thread as far as they do not wait.</summary>
    public void Start()
    {
        for (var next = this; next is not null;)
            next = next.Execute();
    }

    /// <summary>Drops everything; the scope has ended.</summary>
    public void Reset() => _request.Reset();

    /// <summary>A response of the inner scope has been dealt with.</summary>
    public void ReleaseRoom()
    {
        var innerEnd = _innerEnd;
        _room!.Release();
        innerEnd?.TrySetResult();
    }

    void IResponseSink.Begin(InferRequest request)
    {
    }

    async ValueTask IResponseSink.WriteAsync(InferRequest request, ResponseKind kind)
    {
        if (!request.IsOk)
        {
            Run.Fail(request);
            return;
        }

        if (kind == ResponseKind.EmptyFinal || Run.HasFailed)
            return;
        try
        {
            await _room!.WaitAsync(Run.CancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            Run.FailCancelled();
            return;
        }

        if (request.Settings?.Ensemble is null)
        {
            _scope.OpenInner(this, _number);
            return;
        }

        // An ensemble lends what its steps hold and takes it back after the call, so the scope must have ended by then.
        _innerEnd = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _scope.OpenInner(this, _number);
        await _innerEnd.Task.ConfigureAwait(false);
        _innerEnd = null;
    }

    /// <summary>Puts what was mapped of the outputs that stand in a request where others find them.</summary>
    public void Publish(InferRequest holder, EnsembleTensor[] tensors)
    {
        for (var i = 0; i < _step.Outputs.Length; i++)
        {
            var wanted = _request.RequestedOutputs[i].Index;
            for (var position = 0; position < holder.OutputCount; position++)
            {
                ref readonly var output = ref holder.Outputs[position];
                if (output.Index != wanted)
                    continue;
                tensors[_step.Outputs[i].Tensor] = new EnsembleTensor
                {
                    IsSet = true,
                    DataType = output.DataType,
                    Shape = output.Shape,
                    Data = new ReadOnlySequence<byte>(output.Memory),
                    Holder = holder,
                    Position = position,
                };
            }
        }
    }

    /// <summary>Gives the outputs of the response that stands in the step's request to a scope of its own.</summary>
    public void ShareResponse(InferRequest source) => _request.ShareOutputs(source);

    private int Count(int[] steps)
    {
        var count = 0;
        foreach (var step in steps)
            count += Run.IsNeeded(step) ? 1 : 0;
        return count;
    }

    /// <returns>A step that can run next; null when this one goes on elsewhere, or none can.</returns>
    private EnsembleStepRun? Execute()
    {
        var servable = Run.Lease(_number).Servable;
        try
        {
            Fill(servable);
            RequestBinder.Bind(_request, servable.Settings);
        }
        catch (InferenceException error)
        {
            _request.IsRefused = true;
            _request.Fail(error.Code, error.Message);
            return End();
        }

        _request.Trace?.Mark("REQUEST_START", Stopwatch.GetTimestamp());
        var running = servable.ExecuteAsync(_request);
        if (running.IsCompleted)
        {
            running.GetAwaiter().GetResult();
            return End();
        }

        ResumeAfter(running);
        return null;
    }

    private void ResumeAfter(ValueTask running)
    {
        _running = running.GetAwaiter();
        _running.UnsafeOnCompleted(_resume);
    }

    private void Resume()
    {
        var running = _running;
        _running = default;
        running.GetResult();

        // Only a request that waited anyway asks for the token, which costs the call something.
        if (_request.IsOk && _step.Consumers.Length > 0 && Run.IsCancelled)
            Run.FailCancelled();
        End()?.Start();
    }

    private void Fill(IServable servable)
    {
        var (request, client) = (_request, Run.Request);
        request.SetModel(servable.Settings);
        request.Id = request.AddText(client.Text(client.Id));
        request.SequenceName = request.AddText(client.Text(client.SequenceName));
        request.SequenceId = client.SequenceId;
        request.IsSequenceStart = client.IsSequenceStart;
        request.IsSequenceEnd = client.IsSequenceEnd;
        request.Priority = client.Priority;
        request.TimeoutMicroseconds = client.TimeoutMicroseconds;
        request.DeadlineAt = client.DeadlineAt;
        request.Lifetime = Run.Lifetime;
        request.Sink = _step.IsDecoupled ? this : null;
        request.Trace = client.Trace?.BeginChild(servable.Settings);
        foreach (ref var parameter in client.Parameters)
        {
            var (key, text) = (request.AddText(client.Text(parameter.Key)), request.AddText(client.Text(parameter.Text)));
            request.AddParameter() = parameter with { Key = key, Text = text };
        }

        foreach (var port in _step.Outputs)
            request.AddRequestedOutput().Name = request.AddText(port.Name);
        foreach (var port in _step.Inputs)
        {
            ref var tensor = ref _scope.Find(port.Tensor);
            if (tensor.IsSet)
                AddInput(in port, in tensor, servable.Settings);
        }

        if (servable.Settings.IsDecoupled != _step.IsDecoupled)
            throw new InferenceException(
                InferenceCode.Unavailable, $"model '{servable.Settings.Name}' has just changed its transaction policy");
    }

    private void AddInput(in EnsemblePort port, in EnsembleTensor tensor, ModelSettings model)
    {
        ref var input = ref _request.AddInput();
        input.Name = _request.AddText(port.Name);
        input.DataType = tensor.DataType;
        input.Shape = tensor.Shape;
        input.Data = tensor.Data;
        input.HasData = true;
        foreach (var settings in model.Inputs)
        {
            if (port.Name.AsSpan().SequenceEqual(settings.NameUtf8))
                input.Shape = EnsembleTensor.Fit(in tensor.Shape, settings, model.MaxBatchSize > 0);
        }
    }

    /// <summary>Hands on what the step has made.</summary>
    private EnsembleStepRun? End()
    {
        var trace = _request.Trace;
        if (trace is not null)
        {
            trace.Mark("REQUEST_END", Stopwatch.GetTimestamp());
            (trace.Status, trace.StatusMessage) = (_request.Status, _request.StatusMessage);
        }

        if (!_request.IsOk)
            Run.Fail(_request);
        else if (!_step.IsDecoupled)
            Publish(_request, _scope.Tensors);
        Run.Add(_request.Times);
        foreach (var producer in _step.Producers)
        {
            if (Run.IsNeeded(producer))
                _scope.Step(producer).ReleaseReader();
        }

        EnsembleStepRun? next = null;
        foreach (var consumer in _step.Consumers)
        {
            if (Run.HasFailed || !Run.IsNeeded(consumer))
                continue;
            var ready = _scope.Step(consumer);
            if (ready.Lacks(_number) || Interlocked.Decrement(ref ready._waitCount) != 0)
                continue;
            _scope.Enter();
            if (next is not null)
                next.Start();
            next = ready;
        }

        if (!_step.IsKept && !_hasReaders)
            _request.Reset();
        _scope.Leave();
        return next;
    }

    private void ReleaseReader()
    {
        if (Interlocked.Decrement(ref _readerCount) == 0 && !_step.IsKept)
            _request.Reset();
    }

    /// <summary>Something that this step cannot run without should be there before its scope begins, and is not.</summary>
    private bool LacksFromOutside()
    {
        foreach (var port in _step.Inputs)
        {
            var producer = Run.Plan.Producers[port.Tensor];
            var isFromOutside = producer == EnsemblePlan.Root || Run.Plan.Steps[producer].Scope != _step.Scope;
            if (isFromOutside && !port.IsOptional && !_scope.Find(port.Tensor).IsSet)
                return true;
        }

        return false;
    }

    /// <summary>A producer has ended without a tensor that this step cannot run without; then it never runs.</summary>
    private bool Lacks(int producer)
    {
        foreach (var port in _step.Inputs)
        {
            if (!port.IsOptional && Run.Plan.Producers[port.Tensor] == producer && !_scope.Find(port.Tensor).IsSet)
                return true;
        }

        return false;
    }
}
