using Sluice.Inference;

namespace Sluice.Models.Tests;

internal sealed class FakeServable(ModelSettings settings) : IServable
{
    private readonly TaskCompletionSource _disposed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ModelSettings Settings => settings;

    public ModelStatistics Statistics { get; } = new(settings.MaxBatchSize);

    public Task Disposed => _disposed.Task;

    public bool IsDisposed => _disposed.Task.IsCompleted;

    public ValueTask ExecuteAsync(InferRequest request) => ValueTask.CompletedTask;

    public ValueTask DisposeAsync()
    {
        // A second disposal is a bug of the lifecycle, and throws here.
        _disposed.SetResult();
        return ValueTask.CompletedTask;
    }
}
