using Sluice.Inference;

namespace Sluice.Models.Tests;

public sealed class ModelTableTests : IAsyncLifetime, IAsyncDisposable
{
    private readonly LifecycleFixture _fixture = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public ValueTask DisposeAsync() => _fixture.DisposeAsync();

    // xunit 2 knows only this one.
    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    [Fact]
    public async Task Acquire_NoVersion_GivesHighestReady()
    {
        _fixture.AddModel("m", "version_policy { all { } }", "1", "2", "10");
        _fixture.Loader.OnLoad = s => s.Version == "10" ? throw new InvalidOperationException("broken") : Task.CompletedTask;
        await Assert.ThrowsAsync<InferenceException>(() => _fixture.LoadAsync("m"));

        using var latest = _fixture.Acquire("m");
        using var first = _fixture.Acquire("m", "1");

        Assert.Equal("2", latest.Servable.Settings.Version);
        Assert.Equal("1", first.Servable.Settings.Version);
        Assert.Equal("m", first.Config.Name);
    }

    [Theory]
    [InlineData("none", "", InferenceCode.NotFound, "Request for unknown model: 'none' is not found")]
    [InlineData("none", "1", InferenceCode.NotFound, "Request for unknown model: 'none' is not found")]
    [InlineData("m", "7", InferenceCode.NotFound, "Request for unknown model: 'm' version 7 is not found")]
    [InlineData("m", "2", InferenceCode.Unavailable, "Request for unknown model: 'm' version 2 is not at ready state")]
    [InlineData("broken", "", InferenceCode.NotFound, "Request for unknown model: 'broken' has no available versions")]
    [InlineData("m", "-3", InferenceCode.InvalidArgument, "invalid model version specified '-3', version should be an integral value > 0")]
    [InlineData("m", "1x", InferenceCode.InvalidArgument, "failed to get model version from specified version string '1x' (details: no decimal number), version should be an integral value > 0")]
    [InlineData("m", "99999999999999999999", InferenceCode.InvalidArgument, "failed to get model version from specified version string '99999999999999999999' (details: no decimal number), version should be an integral value > 0")]
    [InlineData("ä", "", InferenceCode.NotFound, "Request for unknown model: 'ä' is not found")]
    [InlineData("", "", InferenceCode.NotFound, "Request for unknown model: '' is not found")]
    public async Task Acquire_WhatIsNotReady_SaysSoInKnownWords(string name, string version, InferenceCode code, string message)
    {
        _fixture.AddModel("m", "version_policy { all { } }", "1", "2");
        _fixture.AddModel("broken");
        _fixture.Loader.OnLoad = s =>
            s.Version == "2" || s.Name == "broken" ? throw new InvalidOperationException("no") : Task.CompletedTask;
        await Assert.ThrowsAsync<InferenceException>(() => _fixture.LoadAsync("m"));
        await Assert.ThrowsAsync<InferenceException>(() => _fixture.LoadAsync("broken"));

        var error = Assert.Throws<InferenceException>(() => _fixture.Acquire(name, version));

        Assert.Equal((code, message), (error.Code, error.Message));
        Assert.False(_fixture.IsReady(name, version));
    }

    [Fact]
    public void Acquire_BeforeAnythingIsLoaded_IsNotFound() =>
        Assert.Equal(InferenceCode.NotFound, Assert.Throws<InferenceException>(() => _fixture.Acquire("m")).Code);

    [Fact]
    public async Task TryAcquire_ReadyModel_AllocatesNothing()
    {
        for (var i = 0; i < 50; i++)
            _fixture.AddModel($"m{i}");
        for (var i = 0; i < 50; i++)
            await _fixture.LoadAsync($"m{i}");

        AcquireOften(100);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var found = AcquireOften(1000);
        var after = GC.GetAllocatedBytesForCurrentThread();

        Assert.Equal(2000, found);
        Assert.Equal(before, after);
    }

    [Fact]
    public async Task IsReady_BadVersion_ReportsFault()
    {
        _fixture.AddModel("m");
        await _fixture.LoadAsync("m");

        Assert.False(_fixture.Table.IsReady("m"u8, "x"u8, out var bad));
        Assert.False(_fixture.Table.IsReady("none"u8, ""u8, out var unknown));
        Assert.True(_fixture.Table.IsReady("m"u8, ""u8, out _));
        Assert.Equal(InferenceCode.InvalidArgument, bad.Code);
        Assert.Equal(default, unknown);
    }

    private int AcquireOften(int times)
    {
        var found = 0;
        for (var i = 0; i < times; i++)
        {
            if (_fixture.Table.TryAcquire("m7"u8, ""u8, out var latest, out _))
                found++;
            if (_fixture.Table.TryAcquire("m49"u8, "1"u8, out var named, out _))
                found++;
            latest.Dispose();
            named.Dispose();
        }

        return found;
    }
}
