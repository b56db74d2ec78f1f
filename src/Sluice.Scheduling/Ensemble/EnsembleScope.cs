using Sluice.Inference;

namespace Sluice.Scheduling.Ensemble;

/// <summary>Steps that run together: once for a request, or once for a response of a decoupled step; pooled with its run.</summary>
/// <remarks><b>Threads.</b> Those of its steps; a count of what is under way says who comes last.</remarks>
internal sealed class EnsembleScope
{
    private readonly int _number;
    private readonly EnsembleStepRun?[] _byNumber;
    private readonly EnsembleStepRun[] _steps;
    private readonly InferRequest _response = new();
    private EnsembleScope? _outer;
    private EnsembleStepRun? _opener;
    private int _activeCount;

    /// <param name="run">The request.</param>
    /// <param name="number">The scope's number in the plan.</param>
    public EnsembleScope(EnsembleRun run, int number)
    {
        Run = run;
        _number = number;
        Tensors = new EnsembleTensor[run.Plan.Producers.Length];
        _steps = [.. run.Plan.ScopeSteps[number + 1].Select(step => new EnsembleStepRun(this, step))];
        _byNumber = new EnsembleStepRun?[run.Plan.Steps.Length];
        foreach (var step in _steps)
            _byNumber[step.Number] = step;
    }

    public EnsembleRun Run { get; }

    /// <summary>The scope's number in the plan.</summary>
    public int Number => _number;

    /// <summary>What has been made in this scope, by the tensor's number.</summary>
    public EnsembleTensor[] Tensors { get; }

    /// <summary>All of it has ended, and its answer may be sent; guarded by the sender.</summary>
    public bool IsReady { get; set; }

    /// <summary>Gives a step of this scope.</summary>
    public EnsembleStepRun Step(int number) => _byNumber[number]!;

    /// <summary>Finds a tensor here or further out.</summary>
    public ref EnsembleTensor Find(int tensor)
    {
        var scope = this;
        while (scope._number != Run.Plan.Scopes[tensor])
            scope = scope._outer!;
        return ref scope.Tensors[tensor];
    }

    /// <summary>Starts the steps that wait for nothing; what they need is in <see cref="Tensors"/>.</summary>
    /// <returns>True when everything has ended by now; else whoever ends last deals with it.</returns>
    public bool Start()
    {
        _activeCount = 1;
        foreach (var step in _steps)
            step.Prepare();
        foreach (var step in _steps)
        {
            // The others are started by those that they wait for.
            if (!step.StartsAtOnce || !Run.IsNeeded(step.Number) || Run.HasFailed)
                continue;
            Enter();
            step.Start();
        }

        return Interlocked.Decrement(ref _activeCount) == 0;
    }

    /// <summary>Counts something that begins.</summary>
    public void Enter() => Interlocked.Increment(ref _activeCount);

    /// <summary>Counts something that has ended.</summary>
    public void Leave()
    {
        if (Interlocked.Decrement(ref _activeCount) == 0)
            Complete();
    }

    /// <summary>Opens a scope for the response that stands in a step's request.</summary>
    public void OpenInner(EnsembleStepRun opener, int step)
    {
        Enter();
        var inner = Run.RentScope(step);
        inner._outer = this;
        inner._opener = opener;
        opener.ShareResponse(inner._response);
        opener.Publish(inner._response, inner.Tensors);
        if (step == Run.OutputScope)
            Run.Answers.Expect(inner);
        if (inner.Start())
            inner.Complete();
    }

    /// <summary>Gives everything back; nobody reads it any more.</summary>
    public void Clear()
    {
        foreach (var step in _steps)
            step.Reset();
        _response.Reset();
        Array.Clear(Tensors);
        IsReady = false;
    }

    /// <summary>Ends an inner scope whose answer has been sent, or that has none.</summary>
    public void End()
    {
        var (outer, opener) = (_outer!, _opener!);
        (_outer, _opener) = (null, null);
        Clear();
        Run.Return(this);
        opener.ReleaseRoom();
        outer.Leave();
    }

    private void Complete()
    {
        if (_outer is null)
            Run.End();
        else if (_number == Run.OutputScope)
            Run.Answers.Send(this);
        else
            End();
    }
}
