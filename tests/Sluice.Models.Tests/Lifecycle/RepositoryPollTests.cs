using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Inference;
using Sluice.Testing;

namespace Sluice.Models.Tests;

public sealed class RepositoryPollTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly Dictionary<string, string[]> _steps = [];
    private readonly List<string> _calls = [];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Follow_AddedChangedRemoved_HandsOnEachDifferenceOnce()
    {
        var follower = Follower();
        _folder.Write("a/1/model.onnx");
        _folder.Write("b/1/model.onnx");
        Assert.Equal(["+a", "+b"], await FollowAsync(follower));
        Assert.Empty(await FollowAsync(follower));

        _folder.Write("a/1/model.onnx");
        _folder.Write("c/config.pbtxt");
        _folder.Delete("b");
        Assert.Equal(["+a", "+c", "-b"], await FollowAsync(follower));
        Assert.Empty(await FollowAsync(follower));
    }

    [Fact]
    public async Task Follow_FailedModel_IsTriedAgainWhenItsFilesChange()
    {
        var follower = Follower(_ => "broken");
        _folder.Write("a/1/model.onnx");
        Assert.Equal(["+a"], await FollowAsync(follower));
        Assert.Empty(await FollowAsync(follower));
        _folder.Write("a/config.pbtxt", "# better");
        Assert.Equal(["+a"], await FollowAsync(follower));
    }

    [Fact]
    public async Task Follow_RepositoryAway_ThrowsAndForgetsNothing()
    {
        var repository = Path.Combine(_folder.Path, "repository");
        _folder.Write("repository/a/1/model.onnx");
        var follower = Follower(folder: repository);
        await FollowAsync(follower);
        Directory.Move(repository, repository + ".away");

        await Assert.ThrowsAsync<InferenceException>(() => FollowAsync(follower));
        Directory.Move(repository + ".away", repository);
        Assert.Empty(await FollowAsync(follower));
    }

    [Fact]
    public async Task Lifecycle_PollMode_FollowsTheDiskAtEachTick()
    {
        var time = new ManualTimeProvider();
        var options = new LifecycleOptions { Mode = ModelControlMode.Poll, PollPeriod = TimeSpan.FromSeconds(15) };
        await using var fixture = new LifecycleFixture(options, time);
        fixture.AddModel("a");
        await fixture.Lifecycle.StartAsync(CancellationToken.None);
        var first = Assert.Single(fixture.Loader.Loaded);
        var second = new TaskCompletionSource();
        fixture.Loader.OnLoad = s =>
        {
            Assert.Equal("b", s.Name);
            second.SetResult();
            return Task.CompletedTask;
        };

        fixture.Folder.Delete("a");
        time.Advance(TimeSpan.FromSeconds(14));
        Assert.True(fixture.IsReady("a"));
        time.Advance(TimeSpan.FromSeconds(1));
        await first.Disposed;
        Assert.False(fixture.IsReady("a"));

        fixture.AddModel("b");
        time.Advance(TimeSpan.FromSeconds(15));
        await second.Task;
    }

    [Fact]
    public async Task Follow_Ensembles_ComeAfterTheirSteps_AndCirclesEnd()
    {
        foreach (var name in new[] { "a", "b", "c", "d", "e" })
            _folder.Write($"{name}/1/model.onnx");
        _steps["a"] = ["d", "b", "none"];
        _steps["b"] = ["c"];
        _steps["d"] = ["e"];
        _steps["e"] = ["d"];
        await Follower().FollowAsync(_ => { });
        var calls = _calls.ToArray();
        Assert.Equal(["+a", "+b", "+c", "+d", "+e"], calls.Order(StringComparer.Ordinal));
        foreach (var (ensemble, step) in new[] { ("a", "b"), ("a", "d"), ("b", "c"), ("d", "e") })
            Assert.True(Array.IndexOf(calls, "+" + step) < Array.IndexOf(calls, "+" + ensemble), $"{ensemble} before {step}");
    }

    private RepositoryFollower Follower(Func<string, string>? fault = null, string? folder = null) => new(
        new ModelRepository(new RepositoryOptions { Folders = [folder ?? _folder.Path] }),
        f =>
        {
            _calls.Add("+" + f.Name);
            return Task.FromResult(fault is null ? null : new ModelLoadFailure(f.Name, fault(f.Name)));
        },
        name =>
        {
            _calls.Add("-" + name);
            return Task.CompletedTask;
        },
        f => _steps.GetValueOrDefault(f.Name, []),
        NullLogger.Instance);

    private async Task<string[]> FollowAsync(RepositoryFollower follower)
    {
        _calls.Clear();
        await follower.FollowAsync(_ => { });
        return [.. _calls.Order(StringComparer.Ordinal)];
    }
}
