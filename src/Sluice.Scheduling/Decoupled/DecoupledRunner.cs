using Sluice.Inference;
using Sluice.Scheduling.RateLimit;

namespace Sluice.Scheduling.Decoupled;

/// <summary>Gives one streaming instance its requests, one after the other.</summary>
internal sealed class DecoupledRunner(DecoupledScheduler owner, IStreamingInstance instance) : IThreadPoolWorkItem, IDisposable
{
    private readonly TaskCompletionSource _retired = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Begins to work off the queue, on the pool.</summary>
    public void Start() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    public bool IsHealthy => instance.IsHealthy;

    /// <summary>Where the instance runs; null in schedulers that have not been told.</summary>
    public InstanceSeat? Seat { get; set; }

    /// <summary>When the request was taken that the instance is busy with; 0 = none. Under the scheduler's lock.</summary>
    public long StartedAt { get; set; }

    /// <summary>It waits for work; under the scheduler's lock, as is what follows.</summary>
    public bool IsIdle { get; set; } = true;

    /// <summary>It takes no more requests.</summary>
    public bool IsRetiring { get; set; }

    /// <summary>Requests that it took and that have not sent their last response.</summary>
    public int RequestCount { get; set; }

    /// <summary>Ends when the instance is gone.</summary>
    public Task Retired => _retired.Task;

    public void Dispose()
    {
        instance.Dispose();
        Seat?.Dispose();
        _retired.TrySetResult();
    }

    /// <summary>Disposes the instance on the pool: an instance cannot wait for the thread that it answers on.</summary>
    public void Retire() => ThreadPool.UnsafeQueueUserWorkItem(static runner => runner.Dispose(), this, preferLocal: false);

    async void IThreadPoolWorkItem.Execute()
    {
        var limit = Seat?.Limit;
        limit?.Ask();
        while (true)
        {
            if (limit is not null)
                await limit.WaitAsync().ConfigureAwait(false);
            if (owner.TakeNext(this) is not { } request)
            {
                limit?.Release(isUnused: true);
                return;
            }

            await RunAsync(request).ConfigureAwait(false);
            limit?.AskAgain();
        }
    }

    private async ValueTask RunAsync(InferRequest request)
    {
        var responses = owner.RentChannel();
        try
        {
            responses.Begin(request);
            await instance.ExecuteAsync(responses).ConfigureAwait(false);
            owner.Learn(this);
        }
        catch (Exception error)
        {
            await responses.EndExecutionAsync(error).ConfigureAwait(false);
            return;
        }

        await responses.EndExecutionAsync(null).ConfigureAwait(false);
    }
}
