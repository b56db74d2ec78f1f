using Sluice.Inference;
using Sluice.Scheduling.RateLimit;

namespace Sluice.Scheduling.Decoupled;

/// <summary>Gives one streaming instance its requests, one after the other.</summary>
internal sealed class DecoupledRunner(DecoupledScheduler owner, IStreamingInstance instance) : IThreadPoolWorkItem, IDisposable
{
    /// <summary>Begins to work off the queue, on the pool.</summary>
    public void Start() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    public bool IsHealthy => instance.IsHealthy;

    /// <summary>Where the instance runs; null in schedulers that have not been told.</summary>
    public InstanceSeat? Seat { get; set; }

    /// <summary>When the request was taken that the instance is busy with; 0 = none. Under the scheduler's lock.</summary>
    public long StartedAt { get; set; }

    public void Dispose()
    {
        instance.Dispose();
        Seat?.Dispose();
    }

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
