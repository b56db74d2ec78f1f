using Sluice.Inference;

namespace Sluice.Models.Tests;

public sealed class ModelStartTests
{
    [Fact]
    public async Task Start_OneModelBroken_OthersServe()
    {
        await using var fixture = new LifecycleFixture(new LifecycleOptions());
        fixture.AddModel("good");
        fixture.AddModel("typo", "max_batchsize: 1");
        fixture.AddModel("bad");
        fixture.Folder.Write("empty/config.pbtxt");
        fixture.Loader.OnLoad = s => s.Name == "bad" ? throw new InvalidOperationException("bad file") : Task.CompletedTask;

        var failures = await fixture.Lifecycle.StartAsync(CancellationToken.None);

        Assert.Equal(["bad", "empty", "typo"], failures.Select(f => f.Name).Order());
        Assert.True(fixture.IsReady("good"));
        Assert.False(fixture.Lifecycle.IsReady);
        Assert.True(fixture.Lifecycle.IsStarted);
        Assert.Equal(
            [
                new ModelIndexEntry("bad", "1", ModelState.Unavailable, "bad file"),
                new ModelIndexEntry("good", "1", ModelState.Ready, ""),
            ],
            fixture.Lifecycle.Index(readyOnly: false).Where(e => e.Version.Length > 0));
        Assert.Contains("config.pbtxt:1:1", fixture.Table.Find("typo")!.Fault, StringComparison.Ordinal);
        Assert.Equal("good", Assert.Single(fixture.Lifecycle.Index(readyOnly: true)).Name);
    }

    [Fact]
    public async Task Start_AllGood_IsReady()
    {
        await using var fixture = new LifecycleFixture(new LifecycleOptions());
        fixture.AddModel("a");
        fixture.AddModel("b");

        Assert.False(fixture.Lifecycle.IsReady);
        Assert.Empty(await fixture.Lifecycle.StartAsync(CancellationToken.None));
        Assert.True(fixture.Lifecycle.IsReady);
    }

    [Fact]
    public async Task Start_ManyModels_LoadsABoundedNumberAtATime()
    {
        const int Threads = 3;
        await using var fixture = new LifecycleFixture(new LifecycleOptions { LoadThreadCount = Threads });
        using var together = new Barrier(Threads);
        for (var i = 0; i < Threads * 3; i++)
            fixture.AddModel($"m{i}");
        // Loads meet in groups: it ends only if three run at a time, and the count shows that never more do.
        fixture.Loader.OnLoad = _ =>
        {
            Assert.True(together.SignalAndWait(TimeSpan.FromSeconds(30)));
            return Task.CompletedTask;
        };

        Assert.Empty(await fixture.Lifecycle.StartAsync(CancellationToken.None));
        Assert.Equal(Threads, fixture.Loader.MostRunning);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, false)]
    [InlineData(2, true)]
    public async Task Start_LoadFailsTwice_IsRetriedAsOftenAsAllowed(int retries, bool succeeds)
    {
        await using var fixture = new LifecycleFixture(new LifecycleOptions { LoadRetryCount = retries });
        fixture.AddModel("m");
        fixture.Loader.OnLoad = _ =>
            fixture.Loader.Attempts <= 2 ? throw new InvalidOperationException("again") : Task.CompletedTask;

        var failures = await fixture.Lifecycle.StartAsync(CancellationToken.None);

        Assert.Equal(succeeds, failures.Count == 0);
        Assert.Equal(retries + 1, fixture.Loader.Attempts);
    }

    [Fact]
    public async Task Start_Explicit_LoadsWhatIsNamed()
    {
        await using var fixture = new LifecycleFixture(
            new LifecycleOptions { Mode = ModelControlMode.Explicit, StartupModels = ["a", "none"] });
        fixture.AddModel("a");
        fixture.AddModel("b");

        var failure = Assert.Single(await fixture.Lifecycle.StartAsync(CancellationToken.None));

        Assert.Equal(new ModelLoadFailure("none", "failed to load 'none', failed to poll from model repository"), failure);
        Assert.Equal(
            [new ModelIndexEntry("a", "1", ModelState.Ready, ""), new ModelIndexEntry("b", "", null, "")],
            fixture.Lifecycle.Index(readyOnly: false));
        Assert.True(fixture.Lifecycle.IsReady);
    }

    [Fact]
    public async Task Start_ExplicitStar_LoadsAll()
    {
        await using var fixture = new LifecycleFixture(
            new LifecycleOptions { Mode = ModelControlMode.Explicit, StartupModels = ["*"] });
        fixture.AddModel("a");
        fixture.AddModel("b");
        await fixture.Lifecycle.StartAsync(CancellationToken.None);

        Assert.True(fixture.IsReady("a") && fixture.IsReady("b"));
        await fixture.UnloadAsync("b");
        await fixture.Loader.Loaded.Single(s => s.Settings.Name == "b").Disposed;
        Assert.True(fixture.Lifecycle.IsReady);
    }

    [Theory]
    [InlineData(ModelControlMode.None)]
    [InlineData(ModelControlMode.Poll)]
    public async Task LoadAndUnload_ModeNotExplicit_AreRefused(ModelControlMode mode)
    {
        await using var fixture = new LifecycleFixture(new LifecycleOptions { Mode = mode });
        fixture.AddModel("m");
        await fixture.Lifecycle.StartAsync(CancellationToken.None);

        foreach (var call in new Func<Task>[] { () => fixture.LoadAsync("m"), () => fixture.UnloadAsync("m") })
        {
            var error = await Assert.ThrowsAsync<InferenceException>(call);
            Assert.Equal(InferenceCode.Unavailable, error.Code);
            Assert.Equal("explicit model load / unload is not allowed if polling is enabled", error.Message);
        }
    }
}
