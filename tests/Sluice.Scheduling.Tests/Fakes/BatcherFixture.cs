using Sluice.Inference;
using Sluice.Scheduling.Dynamic;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Scheduling.Tests;

/// <summary>A scheduler over hand-driven instances, a hand-driven clock and a pool that must be empty at the end.</summary>
internal sealed class BatcherFixture : IAsyncDisposable
{
    /// <summary>Never run anything on the caller's thread.</summary>
    public static readonly SchedulerOptions Queued = new() { InlineLimit = TimeSpan.FromMicroseconds(-1) };

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly List<InferRequest> _requests = [];
    private readonly List<string> _leaks = [];
    private readonly FakeModel _model;
    private bool _isDisposed;

    public BatcherFixture(ModelSettings settings, int instanceCount = 1, SchedulerOptions? options = null)
    {
        Settings = settings;
        Pool = new TensorBufferPool(new TensorBufferPoolOptions { Debug = true, OnLeak = _leaks.Add });
        Instances = [.. Enumerable.Range(0, instanceCount).Select(_ => new ManualInstance())];
        _model = new FakeModel(new ModelDescription([], []), _ => throw new NotSupportedException());
        Batcher = new DynamicBatcher(settings, _model, Instances, Pool, options ?? Queued, Timer, Logger);
    }

    public ModelSettings Settings { get; }

    public TensorBufferPool Pool { get; }

    public ManualDelayTimer Timer { get; } = new();

    public RecordingLogger<DynamicBatcher> Logger { get; } = new();

    public ManualInstance[] Instances { get; }

    public ManualInstance Instance => Instances[0];

    public DynamicBatcher Batcher { get; }

    public ModelStatistics Statistics => Batcher.Statistics;

    public InferRequest Rows(params int[] rows) => Keep(TestRequests.Rows(Settings, rows));

    /// <summary>Keeps a request, to be reset with the fixture.</summary>
    public InferRequest Keep(InferRequest request)
    {
        _requests.Add(request);
        return request;
    }

    public Task Send(InferRequest request) => Batcher.ExecuteAsync(request).AsTask().WaitAsync(Patience);

    public async Task<(InferRequest Request, Task Done, ManualRun Run)> SendAndStart(params int[] rows)
    {
        var request = Rows(rows);
        var done = Send(request);
        return (request, done, await Instance.NextRunAsync());
    }

    public async Task DisposeModelAsync()
    {
        _isDisposed = true;
        await Batcher.DisposeAsync();
        Assert.True(_model.IsDisposed);
        Assert.All(Instances, instance => Assert.True(instance.IsDisposed));
    }

    public async ValueTask DisposeAsync()
    {
        _requests.ForEach(request => request.Reset());
        if (!_isDisposed)
            await DisposeModelAsync();
        Assert.Equal(0, Pool.RentedCount);
        Pool.Dispose();
        Assert.Empty(_leaks);
    }
}
