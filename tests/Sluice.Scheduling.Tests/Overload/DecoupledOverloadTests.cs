using Sluice.Inference;
using Sluice.Scheduling.Overload;
using Sluice.Testing;

namespace Sluice.Scheduling.Tests.Overload;

/// <summary>A model that answers response by response and has more work than it can do, on a hand-driven clock.</summary>
public sealed class DecoupledOverloadTests
{
    private const double Millisecond = 1000;

    [Fact]
    public async Task WorkThatCannotBeDoneInTime_IsRefusedAtOnce()
    {
        await using var fixture = await StartAsync(new OverloadSettings());
        var (_, _, done, run) = await fixture.SendAndStart(1);
        fixture.Timer.Advance(4 * Millisecond);
        var (late, soon) = (WithDeadline(fixture, 5), WithDeadline(fixture, 7));

        // 6 ms are left of the one that runs; how soon the own one gives its first response is not known.
        await fixture.Send(late);
        Assert.Equal(InferenceCode.Unavailable, late.Status);
        Assert.Equal("model 'fake' cannot answer before the deadline: 5.0 ms are left, about 6.0 ms are needed", late.StatusMessage);
        Assert.Equal(1, late.RetryAfterMilliseconds);
        Assert.Equal(1, fixture.Statistics.RefusalCount(RefusalReason.DeadlineTooSoon));
        var soonDone = fixture.Send(soon);
        await FinishAsync(run, done);
        await FinishAsync(await fixture.Instance.NextRunAsync(), soonDone);
        Assert.True(soon.IsOk);
    }

    [Theory]
    [InlineData(OverloadControl.Off, 50)]
    [InlineData(OverloadControl.Auto, 50)]
    [InlineData(OverloadControl.On, 3)]
    public async Task Burst_WaitsOrIsRefused_AsTheControlSays(OverloadControl control, int accepted)
    {
        await using var fixture = await StartAsync(new OverloadSettings { Control = control, Target = TimeSpan.FromMilliseconds(30) });
        var (_, _, done, run) = await fixture.SendAndStart(1);
        var requests = Enumerable.Range(0, 50).Select(i => fixture.Request(i, new FakeSink())).ToList();
        var all = requests.Select(fixture.Send).ToList();
        Assert.Equal(accepted, all.Count(task => !task.IsCompleted));
        Assert.Equal(50 - accepted, fixture.Statistics.RefusalCount(RefusalReason.Overload));
        Assert.All(requests.Where(request => !request.IsOk), request => Assert.True(request.RetryAfterMilliseconds >= 1));
        await FinishAsync(run, done);
        for (var i = 0; i < accepted; i++)
            await FinishAsync(await fixture.Instance.NextRunAsync(), done);
        await Task.WhenAll(all);
        Assert.Equal(0, fixture.Statistics.PendingCount);
    }

    [Fact]
    public async Task QueueThatStands_IsShed()
    {
        await using var fixture = await StartAsync(
            new OverloadSettings { Control = OverloadControl.Auto, Target = TimeSpan.FromMilliseconds(30), Interval = TimeSpan.FromMilliseconds(100) });
        var (_, _, done, run) = await fixture.SendAndStart(1);
        var requests = Enumerable.Range(0, 60).Select(i => fixture.Request(i, new FakeSink())).ToList();
        var all = requests.Select(fixture.Send).ToList();
        for (var last = done; ; last = done)
        {
            fixture.Timer.Advance(10 * Millisecond);
            await FinishAsync(run, last);
            var next = fixture.Instance.NextRunAsync();
            if (await Task.WhenAny(next, Task.WhenAll(all)) != next)
                break;
            run = await next;
        }

        Assert.InRange(requests.Count(request => request.IsOk), 10, 20);
        Assert.All(requests.Where(request => !request.IsOk), request =>
            Assert.Contains("is overloaded: the request has waited", request.StatusMessage, StringComparison.Ordinal));
        Assert.Equal(0, fixture.Statistics.PendingCount);
    }

    /// <summary>A model whose executions are known to take 10 ms.</summary>
    private static async Task<DecoupledFixture> StartAsync(OverloadSettings overload)
    {
        var fixture = new DecoupledFixture(options: new SchedulerOptions { Overload = overload });
        for (var i = 0; i < 3; i++)
        {
            var (_, _, done, run) = await fixture.SendAndStart(0);
            fixture.Timer.Advance(10 * Millisecond);
            await FinishAsync(run, done);
        }

        return fixture;
    }

    private static InferRequest WithDeadline(DecoupledFixture fixture, double milliseconds)
    {
        var request = fixture.Request(9, new FakeSink());
        request.DeadlineAt = fixture.Timer.Now + ManualDelayTimer.Ticks(milliseconds * Millisecond);
        return request;
    }

    private static async Task FinishAsync(ManualStreamRun run, Task done)
    {
        run.End();
        await run.Responses.CompleteAsync();
        await done;
    }
}
