using Sluice.Inference;

namespace Sluice.Backends.Python.Endpoints;

/// <summary>A loaded endpoint: one worker process or several, each call to the one with the fewest.</summary>
internal sealed class PythonEndpointRunner(string key, EndpointWorker[] workers, int mostCalls, TimeProvider time) : IEndpointRunner
{
    private const int MostDepth = 32;

    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _number;
    private int _count = 1;
    private int _disposed;

    /// <inheritdoc/>
    public bool IsReady => Array.Exists(workers, worker => worker.Host.Ready is not null);

    /// <inheritdoc/>
    public async ValueTask<EndpointReply> RunAsync(EndpointCall call)
    {
        if (call.Depth > MostDepth)
            return EndpointReply.Fail(
                EndpointOutcome.Failed, $"endpoint '{key}' was called by endpoints that call each other, more than {MostDepth} deep");
        if (Interlocked.Increment(ref _count) > mostCalls + 1)
        {
            Leave();
            return EndpointReply.Fail(EndpointOutcome.Unavailable, $"endpoint '{key}' has {mostCalls} calls under way, which is its limit");
        }

        try
        {
            return await RunOneAsync(call).ConfigureAwait(false);
        }
        catch (InferenceException error)
        {
            return EndpointReply.Fail(
                error.Code == InferenceCode.ResourceExhausted ? EndpointOutcome.Failed : EndpointOutcome.Unavailable, error.Message);
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
            Leave();
        await _drained.Task.ConfigureAwait(false);
        await Task.WhenAll(workers.Select(worker => worker.DisposeAsync().AsTask())).ConfigureAwait(false);
    }

    private async Task<EndpointReply> RunOneAsync(EndpointCall call)
    {
        if (call.CancellationToken.IsCancellationRequested)
            return Ended(call);
        var worker = workers.Length == 1 ? workers[0] : workers.MinBy(one => one.PendingCount)!;
        var pending = new PendingCall((uint)Interlocked.Increment(ref _number), call);
        await worker.SendAsync(pending).ConfigureAwait(false);
        if (pending.Reply.IsCompleted || (!call.CancellationToken.CanBeCanceled && call.Deadline is null))
            return await pending.Reply.ConfigureAwait(false);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(call.CancellationToken);
        if (call.Deadline is { } deadline)
            limit.CancelAfter(Left(deadline));
        try
        {
            return await pending.Reply.WaitAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            worker.Cancel(pending);
            return Ended(call);
        }
    }

    private TimeSpan Left(DateTimeOffset deadline)
    {
        var left = deadline - time.GetUtcNow();
        return left < TimeSpan.Zero ? TimeSpan.Zero : left > TimeSpan.FromDays(1) ? TimeSpan.FromDays(1) : left;
    }

    private EndpointReply Ended(EndpointCall call) =>
        call.Deadline is { } deadline && time.GetUtcNow() >= deadline
            ? EndpointReply.Fail(EndpointOutcome.TimedOut, $"endpoint '{key}' did not answer before the deadline")
            : EndpointReply.Fail(EndpointOutcome.Cancelled, $"the call of endpoint '{key}' was cancelled");

    private void Leave()
    {
        if (Interlocked.Decrement(ref _count) == 0)
            _drained.TrySetResult();
    }
}
