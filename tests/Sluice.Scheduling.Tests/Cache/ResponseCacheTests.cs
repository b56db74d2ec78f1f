using Sluice.Inference;
using Sluice.Scheduling.Cache;
using Sluice.Testing;

namespace Sluice.Scheduling.Tests.Cache;

/// <summary>What the cache keeps, for how long, and what becomes of requests that wait for an equal one.</summary>
public sealed class ResponseCacheTests : IAsyncLifetime, IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly BatcherFixture _fixture = new(TestRequests.Settings());
    private ResponseCache _cache = null!;
    private CachedModel _model = null!;

    public Task InitializeAsync()
    {
        _cache = new ResponseCache(new CacheOptions { SizeBytes = 8192, Lifetime = TimeSpan.FromSeconds(1) }, _fixture.Pool, _fixture.Timer);
        _model = new CachedModel(_fixture.Batcher, _cache);
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        _cache.Dispose();
        Assert.Equal(0, _cache.UsedBytes);
        await _fixture.DisposeAsync();
    }

    // xunit 2 knows only this one.
    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    [Fact]
    public async Task Answer_HoldsForItsLifetime()
    {
        await RunAsync(_fixture.Rows(1, 2));
        _fixture.Timer.Advance(999_999);
        var hit = _fixture.Rows(1, 2);
        await _model.ExecuteAsync(hit).AsTask().WaitAsync(Patience);
        Assert.Equal([1, 2], TestRequests.RowsOf(hit));
        _fixture.Timer.Advance(1);
        await RunAsync(_fixture.Rows(1, 2));
        Assert.Equal((1L, 2L), (_model.Statistics.CacheHit.Count, _model.Statistics.CacheMiss.Count));
    }

    [Fact]
    public async Task Hit_OutlivesItsEntry()
    {
        await RunAsync(_fixture.Rows(5));
        var hit = _fixture.Rows(5);
        await _model.ExecuteAsync(hit);
        _cache.Dispose();
        Assert.Equal([5], TestRequests.RowsOf(hit));
    }

    [Fact]
    public async Task Followers_OfACancelledLeader_RunThemselves()
    {
        using var lifetime = new FakeLifetime();
        var (leader, follower) = (_fixture.Rows(3), _fixture.Rows(3));
        leader.Lifetime = lifetime;
        var leading = _model.ExecuteAsync(leader).AsTask();
        var run = await _fixture.Instance.NextRunAsync();
        var following = _model.ExecuteAsync(follower).AsTask();
        Assert.False(following.IsCompleted);
        lifetime.Cancel();
        run.Fail(new InferenceException(InferenceCode.Cancelled, "gone"));
        await leading.WaitAsync(Patience);
        (await _fixture.Instance.NextRunAsync()).Finish();
        await following.WaitAsync(Patience);
        Assert.Equal((InferenceCode.Cancelled, InferenceCode.Ok), (leader.Status, follower.Status));
        Assert.Equal([3], TestRequests.RowsOf(follower));
    }

    [Fact]
    public async Task Follower_WhoGivesUp_LeavesTheLeaderAlone()
    {
        using var lifetime = new FakeLifetime();
        var (leader, follower) = (_fixture.Rows(4), _fixture.Rows(4));
        follower.Lifetime = lifetime;
        var leading = _model.ExecuteAsync(leader).AsTask();
        var run = await _fixture.Instance.NextRunAsync();
        var following = _model.ExecuteAsync(follower).AsTask();
        lifetime.Cancel();
        await following.WaitAsync(Patience);
        Assert.Equal(InferenceCode.Cancelled, follower.Status);
        run.Finish();
        await leading.WaitAsync(Patience);
        Assert.Equal(1, _cache.Count);
        Assert.Equal(1, _model.Statistics.FailureCount(FailureReason.Canceled));
    }

    [Fact]
    public async Task Sequences_PassBy()
    {
        for (var i = 0; i < 2; i++)
        {
            var request = _fixture.Rows(9);
            request.SequenceId = 7;
            await RunAsync(request);
        }

        Assert.Equal((0, 0L), (_cache.Count, _model.Statistics.CacheMiss.Count));
    }

    [Fact]
    public async Task Unload_DropsTheModelsAnswers_AndOnlyThose()
    {
        await RunAsync(_fixture.Rows(1));
        var other = new CachedModel(_fixture.Batcher, _cache);
        var request = _fixture.Rows(1);
        var running = other.ExecuteAsync(request).AsTask();
        (await _fixture.Instance.NextRunAsync()).Finish();
        await running.WaitAsync(Patience);
        Assert.Equal(2, _cache.Count);

        // What the scheduler's end does; models have numbers from 1.
        _cache.RemoveModel(1);
        Assert.Equal(1, _cache.Count);
    }

    private async Task RunAsync(InferRequest request)
    {
        var running = _model.ExecuteAsync(request).AsTask();
        (await _fixture.Instance.NextRunAsync()).Finish();
        await running.WaitAsync(Patience);
        Assert.True(request.IsOk, request.StatusMessage);
    }
}
