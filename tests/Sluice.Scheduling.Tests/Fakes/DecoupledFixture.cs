using Sluice.Inference;
using Sluice.Scheduling.Decoupled;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Scheduling.Tests;

/// <summary>A scheduler of decoupled models over a hand-driven instance, clock and pool, which must be empty at the end.</summary>
internal sealed class DecoupledFixture : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly List<InferRequest> _requests = [];
    private readonly List<string> _leaks = [];
    private readonly FakeModel _model = new(new ModelDescription([], []), _ => throw new NotSupportedException());
    private bool _isDisposed;

    public DecoupledFixture(ModelSettings? settings = null, SchedulerOptions? options = null, IModelInstance? instance = null)
    {
        Settings = settings ?? TestRequests.Settings(maxBatchSize: 0) with { IsDecoupled = true, Inputs = [TestRequests.Tensor("IN", DataType.Int32, 1)] };
        Pool = new TensorBufferPool(new TensorBufferPoolOptions { Debug = true, OnLeak = _leaks.Add });
        Scheduler = new DecoupledScheduler(
            Settings, _model, [instance ?? Instance], Pool, options ?? new SchedulerOptions(), Timer, Logger);
    }

    public ModelSettings Settings { get; }

    public TensorBufferPool Pool { get; }

    public ManualDelayTimer Timer { get; } = new();

    public RecordingLogger<DecoupledScheduler> Logger { get; } = new();

    public ManualStreamingInstance Instance { get; } = new();

    public DecoupledScheduler Scheduler { get; }

    public ModelStatistics Statistics => Scheduler.Statistics;

    /// <summary>A bound request of one value, with a sink where the model is decoupled.</summary>
    public InferRequest Request(int value, FakeSink? sink = null)
    {
        var request = Keep(TestRequests.Of(Settings, ("IN", DataType.Int32, [1], TestRequests.Bytes(value))));
        request.Sink = sink;
        return request;
    }

    /// <summary>Keeps a request, to be reset with the fixture.</summary>
    public InferRequest Keep(InferRequest request)
    {
        _requests.Add(request);
        return request;
    }

    public Task Send(InferRequest request) => Scheduler.ExecuteAsync(request).AsTask().WaitAsync(Patience);

    public async Task<(InferRequest Request, FakeSink Sink, Task Done, ManualStreamRun Run)> SendAndStart(int value)
    {
        var sink = new FakeSink();
        var request = Request(value, sink);
        var done = Send(request);
        return (request, sink, done, await Instance.NextRunAsync());
    }

    public Task DisposeModelAsync()
    {
        _isDisposed = true;
        return Scheduler.DisposeAsync().AsTask();
    }

    public async ValueTask DisposeAsync()
    {
        _requests.ForEach(request => request.Reset());
        if (!_isDisposed)
            await DisposeModelAsync().WaitAsync(Patience);
        Assert.True(_model.IsDisposed);
        Assert.Equal(0, Pool.RentedCount);
        Pool.Dispose();
        Assert.Empty(_leaks);
    }
}
