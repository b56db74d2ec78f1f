using Sluice.Inference;
using Sluice.Models;
using Sluice.Protocol.Inference;
using Sluice.Scheduling.Loading;
using Sluice.Tensors;
using Sluice.Testing;
using DataType = Sluice.Protocol.Inference.DataType;

namespace Sluice.Scheduling.Tests;

/// <summary>A model whose only instance does not come back from the rehearsal does not take its predecessor's place.</summary>
public sealed class RehearsalLoadTests : IAsyncLifetime, IDisposable
{
    private const int Endless = 777_777;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly FakeBackend _backend = new();
    private readonly TensorBufferPool _pool = new(new TensorBufferPoolOptions { Debug = true });
    private readonly ManualDelayTimer _timer = new();
    private readonly TaskCompletionSource<ManualRun> _hanging = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ManualInstance _first;
    private readonly ManualInstance _second;
    private readonly ModelLoader _loader;
    private IServable _predecessor = null!;

    public RehearsalLoadTests()
    {
        _first = new ManualInstance { Automatic = run => run.Finish() };
        _second = new ManualInstance
        {
            Automatic = run =>
            {
                if (SequenceFixture.Ints(run, 0)[0] == Endless)
                    _hanging.SetResult(run);
                else
                    run.Finish();
            },
        };
        _loader = new ModelLoader([_backend], _pool, BatcherFixture.Queued, _timer, new RecordingLogger<ModelLoader>());
    }

    public async Task InitializeAsync()
    {
        _predecessor = await _loader.LoadAsync(Plan(_first, null), CancellationToken.None);
        await ServeAsync(_predecessor, Endless);
    }

    public async Task DisposeAsync()
    {
        await _predecessor.DisposeAsync();
        Assert.Equal(0, _pool.RentedCount);
    }

    public void Dispose()
    {
        _loader.Dispose();
        _backend.Dispose();
        _first.Dispose();
        _second.Dispose();
        _pool.Dispose();
    }

    [Fact]
    public async Task Load_NoInstanceComesBack_FailsAndLetsGoOfItWhenItDoes()
    {
        var (loading, hanging) = await RehearseAsync();
        _timer.Advance(Rehearsal.Patience.TotalMicroseconds);
        var error = await Assert.ThrowsAsync<InferenceException>(() => loading.WaitAsync(Patience));
        Assert.Equal(
            (InferenceCode.Unavailable,
                "model 'm' cannot serve: after 30 s all of its instances (1) are still busy with requests that its predecessor had taken, " +
                "that take too long and do not stop"),
            (error.Code, error.Message));
        Assert.False(_second.IsDisposed || _backend.Last!.IsDisposed);
        await ServeAsync(_predecessor, 5);
        hanging.Finish();
        await Eventually.TrueAsync(() => _backend.Last.IsDisposed);
        Assert.True(_second.IsDisposed);
    }

    [Fact]
    public async Task Load_ServerStopsMeanwhile_FailsAtOnce()
    {
        using var stop = new CancellationTokenSource();
        var (loading, hanging) = await RehearseAsync(stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => loading.WaitAsync(Patience));
        Assert.False(_second.IsDisposed);
        hanging.Finish();
        await Eventually.TrueAsync(() => _backend.Last!.IsDisposed);
    }

    [Fact]
    public async Task Load_InstanceComesBackInTime_Serves()
    {
        var (loading, hanging) = await RehearseAsync();
        _timer.Advance(0.9 * Rehearsal.Patience.TotalMicroseconds);
        Assert.False(loading.IsCompleted);
        hanging.Finish();
        await using var successor = await loading.WaitAsync(Patience);
        await ServeAsync(successor, 6);
    }

    /// <summary>Loads the second model, until nothing is left but to wait for its instance.</summary>
    private async Task<(Task<IServable> Loading, ManualRun Hanging)> RehearseAsync(CancellationToken stop = default)
    {
        var loading = _loader.LoadAsync(Plan(_second, _predecessor), stop);
        var hanging = await _hanging.Task.WaitAsync(Patience, stop);
        _timer.Advance(Rehearsal.Limit.TotalMicroseconds);
        await Eventually.TrueAsync(() => _second.TerminateCount == 1);
        _timer.Advance(Rehearsal.Grace.TotalMicroseconds);
        await Eventually.TrueAsync(() => loading.IsCompleted || _timer.DueAt != long.MaxValue);
        return (loading, hanging);
    }

    private static async Task ServeAsync(IServable servable, int value)
    {
        var request = TestRequests.Of(servable.Settings, ("IN", Tensors.DataType.Int32, [1, 1], TestRequests.Bytes(value)));
        await servable.ExecuteAsync(request).AsTask().WaitAsync(Patience);
        Assert.Equal(("", value), (request.StatusMessage, SequenceFixture.ValueOf(request)));
        request.Reset();
    }

    private ModelLoadPlan Plan(ManualInstance instance, IServable? predecessor)
    {
        _backend.Next = instance;
        var config = new ModelConfig { Name = "m", Backend = "fake", MaxBatchSize = 1 };
        config.Input.Add(new ModelInput { Name = "IN", DataType = DataType.TypeInt32, Dims = { 1 } });
        config.Output.Add(new ModelOutput { Name = "OUT", DataType = DataType.TypeInt32, Dims = { 1 } });
        return new ModelLoadPlan(config, new ModelVersionFolder("m", Path.GetTempPath(), 1), new ModelConfigOptions()) { Predecessor = predecessor };
    }

    /// <summary>Each model has the instance that the test has set.</summary>
    private sealed class FakeBackend : IBackend
    {
        public string Name => "fake";

        public ManualInstance? Next { get; set; }

        public FakeModel? Last { get; private set; }

        public IBackendModel Load(ModelSettings settings)
        {
            var instance = Next!;
            return Last = new FakeModel(new ModelDescription([], []) { IsOpen = true }, _ => instance);
        }

        public void Dispose()
        {
        }
    }
}
