namespace Sluice.Scheduling.Ensemble;

/// <summary>Bounds how many responses of a decoupled step are under way.</summary>
/// <remarks><b>Threads.</b> One waits at a time, as a sink takes one response at a time; any number release.</remarks>
/// <param name="count">The bound, at least 1.</param>
internal sealed class EnsembleRoom(int count)
{
    private readonly Lock _gate = new();
    private int _free = count;
    private TaskCompletionSource? _waiter;

    /// <summary>Takes a place, when there is one.</summary>
    /// <exception cref="OperationCanceledException">Nobody wants the response any more; no place is taken.</exception>
    public async ValueTask WaitAsync(CancellationToken cancellationToken)
    {
        TaskCompletionSource waiter;
        lock (_gate)
        {
            if (_free > 0)
            {
                _free--;
                return;
            }

            _waiter = waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        await using (cancellationToken.UnsafeRegister(static waiter => ((TaskCompletionSource)waiter!).TrySetCanceled(), waiter))
            await waiter.Task.ConfigureAwait(false);
    }

    /// <summary>Gives a place back.</summary>
    public void Release()
    {
        lock (_gate)
        {
            var waiter = _waiter;
            _waiter = null;
            if (waiter is null || !waiter.TrySetResult())
                _free++;
        }
    }
}
