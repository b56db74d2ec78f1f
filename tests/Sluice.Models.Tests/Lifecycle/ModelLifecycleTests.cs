using Sluice.Inference;

namespace Sluice.Models.Tests;

public sealed class ModelLifecycleTests : IAsyncLifetime, IAsyncDisposable
{
    private readonly LifecycleFixture _fixture = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public ValueTask DisposeAsync() => _fixture.DisposeAsync();

    // xunit 2 knows only this one.
    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    [Fact]
    public async Task Load_NewModel_IsReadyOnReturn()
    {
        _fixture.AddModel("m", "", "1", "3");
        await _fixture.LoadAsync("m");

        Assert.True(_fixture.IsReady("m"));
        Assert.True(_fixture.IsReady("m", "3"));
        Assert.False(_fixture.IsReady("m", "1"));
        Assert.True(Assert.Single(_fixture.Loader.Loaded).Statistics.LoadDuration > TimeSpan.Zero);
    }

    [Fact]
    public async Task Load_Unchanged_KeepsTheServable()
    {
        _fixture.AddModel("m");
        await _fixture.LoadAsync("m");
        await _fixture.LoadAsync("m");

        Assert.Single(_fixture.Loader.Loaded);
    }

    [Fact]
    public async Task Load_FileChanged_SwapsAndDrainsTheOld()
    {
        _fixture.AddModel("m");
        await _fixture.LoadAsync("m");
        var lease = _fixture.Acquire("m");
        var old = (FakeServable)lease.Servable;

        _fixture.AddModel("m");
        await _fixture.LoadAsync("m");
        using (var successor = _fixture.Acquire("m"))
            Assert.NotSame(old, successor.Servable);
        Assert.False(old.IsDisposed);

        lease.Dispose();
        await old.Disposed;
        Assert.True(_fixture.IsReady("m"));
    }

    [Fact]
    public async Task Load_WhileSuccessorLoads_OldServes()
    {
        _fixture.AddModel("m");
        await _fixture.LoadAsync("m");
        var (entered, go) = (new TaskCompletionSource(), new TaskCompletionSource());
        _fixture.Loader.OnLoad = _ =>
        {
            entered.SetResult();
            return go.Task;
        };

        _fixture.AddModel("m");
        var reload = _fixture.LoadAsync("m");
        await entered.Task;

        Assert.True(_fixture.IsReady("m"));
        Assert.Equal(ModelState.Ready, _fixture.Version("m", 1).State);
        go.SetResult();
        await reload;
    }

    [Fact]
    public async Task Load_FirstTime_IsLoadingMeanwhile()
    {
        _fixture.AddModel("m");
        var (entered, go) = (new TaskCompletionSource(), new TaskCompletionSource());
        _fixture.Loader.OnLoad = _ =>
        {
            entered.SetResult();
            return go.Task;
        };
        var load = _fixture.LoadAsync("m");
        await entered.Task;

        Assert.Equal(ModelState.Loading, _fixture.Version("m", 1).State);
        Assert.Equal(InferenceCode.Unavailable, Assert.Throws<InferenceException>(() => _fixture.Acquire("m", "1")).Code);
        go.SetResult();
        await load;
        Assert.True(_fixture.IsReady("m"));
    }

    [Fact]
    public async Task Load_ReloadFails_OldStays()
    {
        _fixture.AddModel("m");
        await _fixture.LoadAsync("m");
        _fixture.AddModel("m");
        _fixture.Loader.OnLoad = _ => throw new InvalidOperationException("bad weights");

        var error = await Assert.ThrowsAsync<InferenceException>(() => _fixture.LoadAsync("m"));

        Assert.Equal(InferenceCode.InvalidArgument, error.Code);
        Assert.Equal("load failed for model 'm': version 1 is at UNAVAILABLE state: bad weights;", error.Message);
        Assert.True(_fixture.IsReady("m"));
        Assert.Equal((ModelState.Ready, "bad weights"), (_fixture.Version("m", 1).State, _fixture.Version("m", 1).Reason));

        _fixture.Loader.OnLoad = _ => Task.CompletedTask;
        await _fixture.LoadAsync("m");
        Assert.Equal("", _fixture.Version("m", 1).Reason);
    }

    [Theory]
    [InlineData("max_batchsize: 1", "did you mean 'max_batch_size'")]
    [InlineData("version_policy { specific { versions: 9 } }", "at least one version must be available under the version policy of model 'm'")]
    [InlineData("name: 'x'", "unexpected directory name 'm'")]
    public async Task Load_ConfigBreaks_OldStaysAndReasonIsGiven(string config, string reason)
    {
        _fixture.AddModel("m");
        await _fixture.LoadAsync("m");
        _fixture.AddModel("m", config);

        var error = await Assert.ThrowsAsync<InferenceException>(() => _fixture.LoadAsync("m"));

        Assert.StartsWith("load failed for model 'm': ", error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.True(_fixture.IsReady("m"));
    }

    [Fact]
    public async Task Load_NewerVersionFails_OlderStays()
    {
        _fixture.AddModel("m");
        await _fixture.LoadAsync("m");
        _fixture.Loader.OnLoad = s => s.Version == "2" ? throw new InvalidOperationException("bad") : Task.CompletedTask;
        _fixture.Folder.Write("m/2/model.onnx");

        await Assert.ThrowsAsync<InferenceException>(() => _fixture.LoadAsync("m"));

        using var lease = _fixture.Acquire("m");
        Assert.Equal("1", lease.Servable.Settings.Version);
        Assert.Equal(ModelState.Unavailable, _fixture.Version("m", 2).State);
    }

    [Fact]
    public async Task Load_PolicyChanges_TouchesOnlyVersionsThatComeOrGo()
    {
        _fixture.AddModel("m", "version_policy { specific { versions: [ 1, 2 ] } }", "1", "2", "3");
        await _fixture.LoadAsync("m");
        var two = _fixture.Version("m", 2).Servable;
        var one = (FakeServable)_fixture.Version("m", 1).Servable!;

        _fixture.Folder.Write("m/config.pbtxt", "version_policy { specific { versions: [ 2, 3 ] } }");
        await _fixture.LoadAsync("m");

        await one.Disposed;
        Assert.Same(two, _fixture.Version("m", 2).Servable);
        Assert.Equal(3, _fixture.Loader.Loaded.Count);
        Assert.True(_fixture.IsReady("m", "3"));
        Assert.False(_fixture.IsReady("m", "1"));
    }

    [Fact]
    public async Task Load_WithOverride_LastsUntilNextLoad()
    {
        _fixture.AddModel("m", "max_batch_size: 2");
        await _fixture.LoadAsync("m", "{ \"max_batch_size\": 64 }");
        using (var lease = _fixture.Acquire("m"))
            Assert.Equal(64, lease.Servable.Settings.MaxBatchSize);

        await _fixture.LoadAsync("m");
        using (var lease = _fixture.Acquire("m"))
            Assert.Equal((2, 2), (lease.Servable.Settings.MaxBatchSize, lease.Config.MaxBatchSize));
    }

    [Fact]
    public async Task Load_NotInRepository_IsInternal()
    {
        var error = await Assert.ThrowsAsync<InferenceException>(() => _fixture.LoadAsync("none"));

        Assert.Equal(InferenceCode.Internal, error.Code);
        Assert.Equal("failed to load 'none', failed to poll from model repository", error.Message);
        Assert.Null(_fixture.Table.Find("none"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("../m")]
    public async Task LoadAndUnload_BadName_AreInvalid(string name)
    {
        Assert.Equal(
            InferenceCode.InvalidArgument,
            (await Assert.ThrowsAsync<InferenceException>(() => _fixture.LoadAsync(name))).Code);
        Assert.Equal(
            InferenceCode.InvalidArgument,
            (await Assert.ThrowsAsync<InferenceException>(() => _fixture.UnloadAsync(name))).Code);
    }

    [Fact]
    public async Task Unload_WhileInUse_RefusesNewAndFinishesOld()
    {
        _fixture.AddModel("m");
        await _fixture.LoadAsync("m");
        var lease = _fixture.Acquire("m");
        var servable = (FakeServable)lease.Servable;

        await _fixture.UnloadAsync("m");

        Assert.Equal(ModelState.Unloading, _fixture.Version("m", 1).State);
        Assert.False(servable.IsDisposed);
        Assert.Equal(
            "Request for unknown model: 'm' has no available versions",
            Assert.Throws<InferenceException>(() => _fixture.Acquire("m")).Message);

        lease.Dispose();
        await servable.Disposed;
        await _fixture.Lifecycle.DisposeAsync();
        Assert.Equal((ModelState.Unavailable, "unloaded"), (_fixture.Version("m", 1).State, _fixture.Version("m", 1).Reason));
    }

    [Fact]
    public async Task Unload_ThenLoadBeforeDrained_StaysReady()
    {
        _fixture.AddModel("m");
        await _fixture.LoadAsync("m");
        var lease = _fixture.Acquire("m");
        var old = (FakeServable)lease.Servable;
        await _fixture.UnloadAsync("m");
        await _fixture.LoadAsync("m");

        lease.Dispose();
        await old.Disposed;
        Assert.True(_fixture.IsReady("m"));
    }

    [Fact]
    public async Task Unload_UnknownModel_Succeeds()
    {
        await _fixture.UnloadAsync("none");

        Assert.Null(_fixture.Table.Find("none"));
    }

    [Fact]
    public async Task Dispose_WaitsForLeases()
    {
        _fixture.AddModel("m");
        await _fixture.LoadAsync("m");
        var lease = _fixture.Acquire("m");

        var disposal = _fixture.Lifecycle.DisposeAsync().AsTask();
        Assert.False(disposal.IsCompleted);
        lease.Dispose();
        await disposal;

        Assert.True(Assert.Single(_fixture.Loader.Loaded).IsDisposed);
    }

    [Fact]
    public async Task Load_AfterDispose_IsUnavailable()
    {
        _fixture.AddModel("m");
        await _fixture.Lifecycle.DisposeAsync();

        var error = await Assert.ThrowsAsync<InferenceException>(() => _fixture.LoadAsync("m"));

        Assert.Equal(InferenceCode.Unavailable, error.Code);
    }

    [Fact]
    public async Task Reload_UnderTraffic_DropsNothing()
    {
        const int Reloads = 60;
        _fixture.AddModel("m");
        await _fixture.LoadAsync("m");
        using var done = new CancellationTokenSource();
        var started = Enumerable.Range(0, 3).Select(_ => new TaskCompletionSource()).ToArray();
        var readers = started.Select(s => Task.Run(() => Use(s, done.Token))).ToArray();
        await Task.WhenAll(started.Select(s => s.Task));

        for (var i = 0; i < Reloads; i++)
        {
            _fixture.AddModel("m");
            await _fixture.LoadAsync("m");
        }

        await done.CancelAsync();
        await Task.WhenAll(readers);
        Assert.Equal(Reloads + 1, _fixture.Loader.Loaded.Count);
        await Task.WhenAll(_fixture.Loader.Loaded.SkipLast(1).Select(s => s.Disposed));
        Assert.False(_fixture.Loader.Loaded.Last().IsDisposed);
    }

    private void Use(TaskCompletionSource started, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            using var lease = _fixture.Acquire("m");
            if (((FakeServable)lease.Servable).IsDisposed)
                throw new InvalidOperationException("a leased model was disposed");

            started.TrySetResult();
        }
    }
}
