using Sluice.Inference;

namespace Sluice.Scheduling.Decoupled;

/// <summary>Gives one streaming instance its requests, one after the other.</summary>
internal sealed class DecoupledRunner(DecoupledScheduler owner, IStreamingInstance instance) : IThreadPoolWorkItem, IDisposable
{
    /// <summary>Begins to work off the queue, on the pool.</summary>
    public void Start() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    public bool IsHealthy => instance.IsHealthy;

    public void Dispose() => instance.Dispose();

    async void IThreadPoolWorkItem.Execute()
    {
        while (owner.TakeNext(this) is { } request)
            await RunAsync(request).ConfigureAwait(false);
    }

    private async ValueTask RunAsync(InferRequest request)
    {
        var responses = owner.RentChannel();
        try
        {
            responses.Begin(request);
            await instance.ExecuteAsync(responses).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            await responses.EndExecutionAsync(error).ConfigureAwait(false);
            return;
        }

        await responses.EndExecutionAsync(null).ConfigureAwait(false);
    }
}
