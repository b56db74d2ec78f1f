using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;

namespace Sluice.Inference;

/// <summary>A method that waits, as the promise of its end.</summary>
internal abstract class WaitingMethod<TResult> : IValueTaskSource<TResult>, IValueTaskSource
{
    private ManualResetValueTaskSourceCore<TResult> _end;

    protected WaitingMethod()
    {
        Resume = MoveNext;
    }

    public short Version => _end.Version;

    /// <summary>Runs the method's next step.</summary>
    public Action Resume { get; }

    public void SetResult(TResult result) => _end.SetResult(result);

    public void SetException(Exception error) => _end.SetException(error);

    public TResult GetResult(short token)
    {
        // Refuses an old token before anything is given back: another call may use this object by now.
        if (_end.GetStatus(token) == ValueTaskSourceStatus.Pending)
            throw new InvalidOperationException("the method has not ended");
        try
        {
            return _end.GetResult(token);
        }
        finally
        {
            _end.Reset();
            Return();
        }
    }

    void IValueTaskSource.GetResult(short token) => GetResult(token);

    public ValueTaskSourceStatus GetStatus(short token) => _end.GetStatus(token);

    public void OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _end.OnCompleted(continuation, state, token, flags);

    protected abstract void MoveNext();

    protected abstract void Return();
}

/// <summary>The states of one method, kept for its next calls.</summary>
internal sealed class WaitingMethod<TResult, TMachine> : WaitingMethod<TResult>
    where TMachine : IAsyncStateMachine
{
    private const int MostKept = 4096;

    private static readonly ConcurrentQueue<WaitingMethod<TResult, TMachine>> Idle = new();
    private static int _idleCount;

    [ThreadStatic]
    private static WaitingMethod<TResult, TMachine>? _mine;

    private TMachine? _machine;

    public static WaitingMethod<TResult, TMachine> Rent()
    {
        if (_mine is { } mine)
        {
            _mine = null;
            return mine;
        }

        if (!Idle.TryDequeue(out var idle))
            return new WaitingMethod<TResult, TMachine>();
        Interlocked.Decrement(ref _idleCount);
        return idle;
    }

    /// <summary>Takes the method's state, which already names this object as the one that keeps it.</summary>
    public void Keep(in TMachine machine) => _machine = machine;

    protected override void MoveNext() => _machine!.MoveNext();

    protected override void Return()
    {
        // What the method's locals refer to is not to live longer than the call.
        _machine = default;
        if (_mine is null)
            _mine = this;
        else if (Interlocked.Increment(ref _idleCount) <= MostKept)
            Idle.Enqueue(this);
        else
            Interlocked.Decrement(ref _idleCount);
    }
}
