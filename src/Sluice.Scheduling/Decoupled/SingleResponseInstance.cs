using Sluice.Inference;

namespace Sluice.Scheduling.Decoupled;

/// <summary>Lets an engine that computes whole batches serve a decoupled model: each request has one response, the final one.</summary>
internal sealed class SingleResponseInstance(IModelInstance inner) : IStreamingInstance
{
    public async ValueTask ExecuteAsync(IResponseChannel responses)
    {
        var batch = responses.Inputs;

        // The dispose waits for a callback that runs, so it never meets the next request.
        await using (responses.CancellationToken.UnsafeRegister(static instance => ((IModelInstance)instance!).Terminate(), inner))
            await inner.ExecuteAsync(batch).ConfigureAwait(false);
        batch.AddReference();
        await responses.SendAsync(batch, isFinal: true).ConfigureAwait(false);
    }

    public bool IsHealthy => inner.IsHealthy;

    public void Terminate() => inner.Terminate();

    public void Dispose() => inner.Dispose();
}
