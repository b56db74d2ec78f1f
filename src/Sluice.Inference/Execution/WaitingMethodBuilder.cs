using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Sluice.Inference;

/// <summary>Builds asynchronous methods of the request path that may wait by the thousand, without allocating for each.</summary>
/// <remarks>
/// <para>The runtime's <see cref="PoolingAsyncValueTaskMethodBuilder"/> keeps one state per thread and one per core, so of 64
/// requests that wait in a queue 60 would allocate theirs. This one keeps as many as have ever waited at once, up to a
/// bound for each method.</para>
/// <para>The execution context does not flow: nothing on the request path has values that belong to the logical call. As
/// with every <see cref="ValueTask"/>, the result may be read once.</para>
/// <para>The compiler uses it, through <see cref="AsyncMethodBuilderAttribute"/>.</para>
/// </remarks>
[SuppressMessage("Performance", "CA1815", Justification = "never compared")]
public struct WaitingMethodBuilder
{
    private WaitingMethodBuilder<bool> _builder;

    /// <summary>The method's result; read once, after its first step.</summary>
    public readonly ValueTask Task => _builder.TaskWithoutResult;

    /// <summary>Before the first step.</summary>
    public static WaitingMethodBuilder Create() => default;

    /// <summary>Runs the first step.</summary>
    public readonly void Start<TMachine>(ref TMachine machine)
        where TMachine : IAsyncStateMachine => _builder.Start(ref machine);

    /// <summary>Of no use to machines that are kept by value.</summary>
    public readonly void SetStateMachine(IAsyncStateMachine machine) => _builder.SetStateMachine(machine);

    /// <summary>The method has returned.</summary>
    public void SetResult() => _builder.SetResult(true);

    /// <summary>The method has thrown.</summary>
    public void SetException(Exception error) => _builder.SetException(error);

    /// <summary>The method waits.</summary>
    public void AwaitOnCompleted<TAwaiter, TMachine>(ref TAwaiter awaiter, ref TMachine machine)
        where TAwaiter : INotifyCompletion
        where TMachine : IAsyncStateMachine => _builder.AwaitOnCompleted(ref awaiter, ref machine);

    /// <summary>The method waits.</summary>
    public void AwaitUnsafeOnCompleted<TAwaiter, TMachine>(ref TAwaiter awaiter, ref TMachine machine)
        where TAwaiter : ICriticalNotifyCompletion
        where TMachine : IAsyncStateMachine => _builder.AwaitUnsafeOnCompleted(ref awaiter, ref machine);
}

/// <summary>As <see cref="WaitingMethodBuilder"/>, for methods with a result.</summary>
/// <typeparam name="TResult">The result.</typeparam>
[SuppressMessage("Performance", "CA1815", Justification = "never compared")]
public struct WaitingMethodBuilder<TResult>
{
    private WaitingMethod<TResult>? _waiting;
    private Exception? _error;
    private TResult? _result;

    /// <summary>The method's result; read once, after its first step.</summary>
    public readonly ValueTask<TResult> Task =>
        _waiting is not null ? new ValueTask<TResult>(_waiting, _waiting.Version) :
        _error is not null ? ValueTask.FromException<TResult>(_error) : new ValueTask<TResult>(_result!);

    internal readonly ValueTask TaskWithoutResult =>
        _waiting is not null ? new ValueTask(_waiting, _waiting.Version) :
        _error is not null ? ValueTask.FromException(_error) : ValueTask.CompletedTask;

    /// <summary>Before the first step.</summary>
    [SuppressMessage("Design", "CA1000", Justification = "the compiler's pattern")]
    public static WaitingMethodBuilder<TResult> Create() => default;

    /// <summary>Runs the first step.</summary>
    [SuppressMessage("Performance", "CA1822", Justification = "the compiler's pattern")]
    public readonly void Start<TMachine>(ref TMachine machine)
        where TMachine : IAsyncStateMachine => machine.MoveNext();

    /// <summary>Of no use to machines that are kept by value.</summary>
    [SuppressMessage("Performance", "CA1822", Justification = "the compiler's pattern")]
    public readonly void SetStateMachine(IAsyncStateMachine machine)
    {
    }

    /// <summary>The method has returned.</summary>
    public void SetResult(TResult result)
    {
        if (_waiting is null)
            _result = result;
        else
            _waiting.SetResult(result);
    }

    /// <summary>The method has thrown.</summary>
    public void SetException(Exception error)
    {
        if (_waiting is null)
            _error = error;
        else
            _waiting.SetException(error);
    }

    /// <summary>The method waits.</summary>
    public void AwaitOnCompleted<TAwaiter, TMachine>(ref TAwaiter awaiter, ref TMachine machine)
        where TAwaiter : INotifyCompletion
        where TMachine : IAsyncStateMachine => awaiter.OnCompleted(Keep(ref machine));

    /// <summary>The method waits.</summary>
    public void AwaitUnsafeOnCompleted<TAwaiter, TMachine>(ref TAwaiter awaiter, ref TMachine machine)
        where TAwaiter : ICriticalNotifyCompletion
        where TMachine : IAsyncStateMachine => awaiter.UnsafeOnCompleted(Keep(ref machine));

    private Action Keep<TMachine>(ref TMachine machine)
        where TMachine : IAsyncStateMachine
    {
        if (_waiting is not null)
            return _waiting.Resume;
        var waiting = WaitingMethod<TResult, TMachine>.Rent();

        // This builder is a field of the machine: it has to know the object before the machine is copied there.
        _waiting = waiting;
        waiting.Keep(in machine);
        return waiting.Resume;
    }
}
