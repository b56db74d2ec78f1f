using Sluice.Inference;

namespace Sluice.Scheduling.Loading;

/// <summary>An instance that somebody else disposes, for a scheduler that uses it for a while.</summary>
internal class LentInstance : IModelInstance
{
    private readonly IModelInstance _inner;

    private LentInstance(IModelInstance inner) => _inner = inner;

    public bool IsHealthy => _inner.IsHealthy;

    /// <summary>Makes one of the same kind as the instance.</summary>
    public static IModelInstance Of(IModelInstance inner) => inner switch
    {
        IStreamingInstance streaming => new Streaming(streaming),
        IRequestInstance requests => new Requests(requests),
        _ => new LentInstance(inner),
    };

    public ValueTask ExecuteAsync(ExecutionBatch batch) => _inner.ExecuteAsync(batch);

    public void Terminate() => _inner.Terminate();

    public void Dispose()
    {
    }

    private sealed class Streaming(IStreamingInstance inner) : LentInstance(inner), IStreamingInstance
    {
        public ValueTask ExecuteAsync(IResponseChannel responses) => inner.ExecuteAsync(responses);
    }

    private sealed class Requests(IRequestInstance inner) : LentInstance(inner), IRequestInstance
    {
        public ValueTask ExecuteAsync(IRequestGroup requests) => inner.ExecuteAsync(requests);

        public void Cancel(int position) => inner.Cancel(position);
    }
}
