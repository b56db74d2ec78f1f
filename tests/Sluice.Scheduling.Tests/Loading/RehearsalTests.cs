using Sluice.Inference;
using Sluice.Scheduling.Loading;
using Sluice.Testing;

namespace Sluice.Scheduling.Tests;

/// <summary>A successor is warmed with what its predecessor has taken, for a bounded time, on a hand-driven clock.</summary>
public sealed class RehearsalTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Requests_RunOnEachInstance_AndWhatTheModelRefusesIsSkipped()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(), instanceCount: 2);
        var seen = new List<int>();
        foreach (var instance in fixture.Instances)
        {
            instance.Automatic = run =>
            {
                seen.Add(SequenceFixture.Ints(run, 0)[0]);
                run.Finish();
            };
        }

        await RehearseAsync(fixture, 1, -1, 3);
        Assert.Equal([1, 1, 3, 3], seen.Order());
        Assert.Contains(
            "with 4 requests that its predecessor had served; 2 more do not fit it, 0 took too long, 0 were left out",
            Assert.Single(fixture.Logger.Entries).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RequestThatTakesTooLong_IsStopped_AndTheRestLeftOut()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(), instanceCount: 2);
        var rehearsal = RehearseAsync(fixture, 1, 2, 3);
        (await fixture.Instance.NextRunAsync()).Finish();
        var run = await fixture.Instance.NextRunAsync();
        Advance(fixture, Rehearsal.Limit);
        await Eventually.TrueAsync(() => fixture.Instance.TerminateCount == 1);
        Assert.False(rehearsal.IsCompleted);
        run.Fail(new InferenceException(InferenceCode.Cancelled, "stopped"));
        Assert.All(await rehearsal, Assert.Null);
        Assert.Empty(fixture.Instances[1].RowCounts);
        Assert.Contains(
            "with 1 requests that its predecessor had served; 0 more do not fit it, 1 took too long, 4 were left out",
            Assert.Single(fixture.Logger.Entries).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RequestsThatAreSlow_BeginOnlyWithinTheBudget()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings());
        fixture.Instance.Automatic = run =>
        {
            fixture.Timer.AdvanceSilently(0.4 * Rehearsal.Budget.TotalMicroseconds);
            run.Finish();
        };
        Assert.All(await RehearseAsync(fixture, 1, 2, 3, 4, 5), Assert.Null);
        Assert.Contains(
            "with 3 requests that its predecessor had served; 0 more do not fit it, 0 took too long, 2 were left out",
            Assert.Single(fixture.Logger.Entries).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RequestsOfAModelThatWaitsForCompany_DoNotWait()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(new DynamicBatchingSettings { MaxQueueDelayMicroseconds = 500_000 }));
        fixture.Instance.Automatic = run => run.Finish();
        Assert.All(await RehearseAsync(fixture, 1, 2, 3, 4, 5), Assert.Null);
        Assert.Contains(
            "with 5 requests that its predecessor had served; 0 more do not fit it, 0 took too long, 0 were left out",
            Assert.Single(fixture.Logger.Entries).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ServerThatStops_BeginsNoMore()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings());
        using var stop = new CancellationTokenSource();
        fixture.Instance.Automatic = run =>
        {
            stop.Cancel();
            run.Finish();
        };
        Assert.All(await RehearseAsync(fixture, stop.Token, 1, 2, 3), Assert.Null);
        Assert.Equal([1], fixture.Instance.RowCounts);
    }

    /// <summary>The model begins to serve with its other instances; the busy one joins them when it has ended.</summary>
    [Fact]
    public async Task RequestThatDoesNotStop_IsGivenUp_AndItsInstanceIsTakenForBusy()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(maxBatchSize: 1), instanceCount: 2);
        var rehearsal = RehearseAsync(fixture, 1, 2);
        var hanging = await fixture.Instances[0].NextRunAsync();
        Advance(fixture, Rehearsal.Limit);
        await Eventually.TrueAsync(() => fixture.Instances[0].TerminateCount == 1);
        Assert.False(rehearsal.IsCompleted);
        Advance(fixture, Rehearsal.Grace);
        var busy = await rehearsal;
        Assert.Equal([true, false], busy.Select(task => task is not null));
        Assert.Equal(
            [
                "Model 'fake' was warmed with 0 requests that its predecessor had served; 0 more do not fit it, 1 took too long, 3 were left out",
                "Model 'fake' begins with 1 of its 2 instances busy: each with a request that its predecessor had taken, that takes too long and does not stop",
            ],
            fixture.Logger.Entries.Select(entry => entry.Text));
        var returned = fixture.Batcher.Withhold(0, busy[0]!);

        var (first, second) = (fixture.Send(fixture.Rows(5)), fixture.Send(fixture.Rows(6)));
        (await fixture.Instances[1].NextRunAsync()).Finish();
        await first;
        var last = await fixture.Instances[1].NextRunAsync();
        var third = fixture.Send(fixture.Rows(7));
        hanging.Finish();
        var run = await fixture.Instances[0].NextRunAsync();
        Assert.Equal(7, SequenceFixture.Ints(run, 0)[0]);
        run.Finish();
        last.Finish();
        await Task.WhenAll(second, third, returned);
    }

    [Fact]
    public async Task ModelThatGoesWhileItsInstanceIsBusy_WaitsForIt()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings());
        var rehearsal = RehearseAsync(fixture, 1);
        var hanging = await fixture.Instance.NextRunAsync();
        Advance(fixture, Rehearsal.Limit);
        Advance(fixture, Rehearsal.Grace);
        var returned = fixture.Batcher.Withhold(0, (await rehearsal)[0]!);
        var disposal = fixture.DisposeModelAsync();
        Assert.False(fixture.Instance.IsDisposed);
        hanging.Finish();
        await Task.WhenAll(disposal, returned).WaitAsync(Patience);
    }

    [Fact]
    public async Task InstanceThatCannotBeRehearsed_DoesNotLoseWhatOthersAreBusyWith()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(), instanceCount: 2);
        using var model = new BrittleModel();
        var rehearsal = RehearseAsync(fixture, model, CancellationToken.None, 1);
        var hanging = await fixture.Instance.NextRunAsync();
        model.IsBroken = true;
        Advance(fixture, Rehearsal.Limit);
        await Eventually.TrueAsync(() => fixture.Instance.TerminateCount == 1);
        Advance(fixture, Rehearsal.Grace);
        var busy = await rehearsal;
        Assert.Equal([true, false], busy.Select(task => task is not null));
        Assert.Contains(
            "Instance 1 of model 'fake' was not warmed with requests that its predecessor had served",
            fixture.Logger.Entries.Select(entry => entry.Text));
        hanging.Finish();
        await busy[0]!.WaitAsync(Patience);
    }

    [Fact]
    public async Task InstanceWhoseRequestEndsWithAFault_ComesBack()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings());
        await fixture.Batcher.Withhold(0, Task.FromException(new InvalidOperationException("broken"))).WaitAsync(Patience);
        var (_, done, run) = await fixture.SendAndStart(1);
        run.Finish();
        await done;
    }

    private static Task<Task?[]> RehearseAsync(BatcherFixture fixture, params int[] values) =>
        RehearseAsync(fixture, CancellationToken.None, values);

    private static Task<Task?[]> RehearseAsync(BatcherFixture fixture, CancellationToken cancellationToken, params int[] values) =>
        RehearseAsync(
            fixture, new FakeModel(new ModelDescription([], []), _ => throw new NotSupportedException()), cancellationToken, values);

    /// <param name="fixture">The successor.</param>
    /// <param name="model">Its model.</param>
    /// <param name="cancellationToken">The server is stopping.</param>
    /// <param name="values">What the requests ask for; below 0 = something that does not fit.</param>
    private static Task<Task?[]> RehearseAsync(
        BatcherFixture fixture, IBackendModel model, CancellationToken cancellationToken, params int[] values)
    {
        var recent = new RecentRequests(values.Length, ticksPerSecond: 1);
        for (var i = 0; i < values.Length; i++)
        {
            var request = values[i] < 0
                ? TestRequests.Of(
                    fixture.Settings with { Inputs = [TestRequests.Tensor("IN", Tensors.DataType.Int32, 3)] },
                    ("IN", Tensors.DataType.Int32, [1, 3], new byte[12]))
                : TestRequests.Rows(fixture.Settings, values[i]);
            recent.Offer(request, now: i);
            request.Reset();
        }

        // As a list it begins with the second place.
        var list = recent.List();
        return new Rehearsal(fixture.Settings, fixture.Pool, BatcherFixture.Queued, fixture.Timer, fixture.Logger)
            .RunAsync(
                model, fixture.Instances, [.. list.Skip(list.Count - 1), .. list.SkipLast(1)], cancellationToken)
            .WaitAsync(Patience);
    }

    private static void Advance(BatcherFixture fixture, TimeSpan time) => fixture.Timer.Advance(time.TotalMicroseconds);

    /// <summary>A model that cannot say what it is from some moment on.</summary>
    private sealed class BrittleModel : IBackendModel
    {
        public bool IsBroken { get; set; }

        public ModelDescription Description => IsBroken ? throw new InvalidOperationException("broken") : new ModelDescription([], []);

        public IModelInstance CreateInstance(ModelSettings settings, InstancePlacement placement) => throw new NotSupportedException();

        public void Dispose()
        {
        }
    }
}
