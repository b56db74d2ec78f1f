using Sluice.Inference;
using Sluice.Scheduling.Overload;
using Sluice.Testing;

namespace Sluice.Scheduling.Tests.Overload;

/// <summary>A model that has more work than it can do, on a hand-driven clock.</summary>
public sealed class OverloadTests
{
    private const double Millisecond = 1000;

    [Fact]
    public async Task WorkThatCannotBeDoneInTime_IsRefusedAtOnce_WithTheTimeToRetry()
    {
        await using var fixture = await StartAsync(new OverloadSettings());
        var (_, done, run) = await fixture.SendAndStart(1);
        var waiting = Enumerable.Range(0, 3).Select(_ => fixture.Send(fixture.Rows(1))).ToList();

        // One runs and three wait, 10 ms each; its own makes 50 ms.
        var (late, soon) = (WithDeadline(fixture, 49.5), WithDeadline(fixture, 50.5));
        await fixture.Send(late);
        Assert.Equal(InferenceCode.Unavailable, late.Status);
        Assert.Equal("model 'fake' cannot answer before the deadline: 49.5 ms are left, about 50.0 ms are needed", late.StatusMessage);
        Assert.Equal(1, late.RetryAfterMilliseconds);
        Assert.Equal(1, fixture.Statistics.RefusalCount(RefusalReason.DeadlineTooSoon));
        var soonDone = fixture.Send(soon);
        Assert.False(soonDone.IsCompleted);
        await FinishAllAsync(fixture, run, 4);
        await Task.WhenAll([.. waiting, done, soonDone]);
        Assert.True(soon.IsOk);
    }

    [Fact]
    public async Task DeadlineThatPassesDuringTheExecution_MakesRoomForOthers()
    {
        await using var fixture = await StartAsync(new OverloadSettings());
        var (_, done, run) = await fixture.SendAndStart(1);
        var doomed = WithDeadline(fixture, 25);
        var doomedDone = fixture.Send(doomed);
        var next = fixture.Send(fixture.Rows(5));

        // The execution before it takes longer than any before.
        fixture.Timer.Advance(16 * Millisecond);
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal(TestRequests.Bytes(5, 5), run.Input(0));
        Assert.Equal(InferenceCode.DeadlineExceeded, doomed.Status);
        run.Finish();
        await Task.WhenAll(done, doomedDone, next);
    }

    [Theory]
    [InlineData(OverloadControl.Off, 100)]
    [InlineData(OverloadControl.Auto, 100)]
    [InlineData(OverloadControl.On, 3)]
    public async Task Burst_WaitsOrIsRefused_AsTheControlSays(OverloadControl control, int accepted)
    {
        await using var fixture = await StartAsync(new OverloadSettings { Control = control, Target = TimeSpan.FromMilliseconds(30) });
        var (_, done, run) = await fixture.SendAndStart(1);
        var requests = Enumerable.Range(0, 100).Select(_ => fixture.Rows(1)).ToList();
        var all = requests.Select(fixture.Send).ToList();
        Assert.Equal(accepted, all.Count(task => !task.IsCompleted));
        Assert.All(requests.Where(request => !request.IsOk), request =>
        {
            Assert.Contains("model 'fake' is overloaded: the request would wait about", request.StatusMessage, StringComparison.Ordinal);
            Assert.True(request.RetryAfterMilliseconds >= 1);
        });
        Assert.Equal(100 - accepted, fixture.Statistics.RefusalCount(RefusalReason.Overload));
        await FinishAllAsync(fixture, run, accepted, advance: false);
        await Task.WhenAll([.. all, done]);
    }

    [Fact]
    public async Task QueueThatStands_IsShed_AndNewWorkRefused_UntilItIsShort()
    {
        await using var fixture = await StartAsync(
            new OverloadSettings { Control = OverloadControl.Auto, Target = TimeSpan.FromMilliseconds(30), Interval = TimeSpan.FromMilliseconds(100) });
        var (_, done, run) = await fixture.SendAndStart(1);
        var requests = Enumerable.Range(0, 60).Select(_ => fixture.Rows(1)).ToList();
        var all = requests.Select(fixture.Send).ToList();
        Task<ManualRun> next;
        for (var runs = 0; ; runs++)
        {
            fixture.Timer.Advance(10 * Millisecond);
            run.Finish();
            next = fixture.Instance.NextRunAsync();
            if (await Task.WhenAny(next, Task.WhenAll(all)) != next)
                break;
            run = await next;
            Assert.InRange(runs, 0, 30);
        }

        // All of them came at once, so that all the rest had waited too long.
        Assert.InRange(requests.Count(request => request.IsOk), 10, 20);
        Assert.All(requests.Where(request => !request.IsOk), request =>
            Assert.Contains("is overloaded: the request has waited", request.StatusMessage, StringComparison.Ordinal));
        Assert.Equal(requests.Count(request => !request.IsOk), fixture.Statistics.RefusalCount(RefusalReason.Overload));
        await done;
        Assert.Equal(0, fixture.Statistics.PendingCount);
        var after = fixture.Send(fixture.Rows(9));
        (await next).Finish();
        await after;
    }

    [Fact]
    public async Task QueuePolicysTimeout_IsForeseen()
    {
        var policy = new QueuePolicySettings { AllowTimeoutOverride = true };
        await using var fixture = await StartAsync(new OverloadSettings(), new DynamicBatchingSettings { DefaultQueuePolicy = policy });
        var (_, done, run) = await fixture.SendAndStart(1);
        var waiting = fixture.Send(fixture.Rows(2));
        var (hopeless, patient) = (fixture.Rows(3), fixture.Rows(4));
        hopeless.TimeoutMicroseconds = 19_000;
        patient.TimeoutMicroseconds = 21_000;
        await fixture.Send(hopeless);
        Assert.Equal((InferenceCode.Unavailable, "Request timeout expired"), (hopeless.Status, hopeless.StatusMessage));
        var patientDone = fixture.Send(patient);
        await FinishAllAsync(fixture, run, 2, advance: false);
        await Task.WhenAll(done, waiting, patientDone);
        Assert.True(patient.IsOk);
    }

    [Theory]
    [InlineData("overload_control", "sometimes", "parameter 'overload_control' of model 'fake' must be off, auto or on, not 'sometimes'")]
    [InlineData("overload_target_ms", "-1", "parameter 'overload_target_ms' of model 'fake' must be a number of milliseconds from 0 to 3600000, not '-1'")]
    public void WrongParameter_IsRefused(string name, string value, string message)
    {
        var settings = TestRequests.Settings();
        settings = settings with { Parameters = settings.Parameters.Add(name, value) };
        Assert.Equal(message, Assert.Throws<InferenceException>(() => new OverloadSettings().For(settings)).Message);
    }

    /// <summary>A model of one row at a time whose executions are known to take 10 ms.</summary>
    private static async Task<BatcherFixture> StartAsync(OverloadSettings overload, DynamicBatchingSettings? batching = null)
    {
        var fixture = new BatcherFixture(
            TestRequests.Settings(batching, maxBatchSize: 1), options: BatcherFixture.Queued with { Overload = overload });
        for (var i = 0; i < 3; i++)
        {
            var (_, done, run) = await fixture.SendAndStart(0);
            fixture.Timer.Advance(10 * Millisecond);
            run.Finish();
            await done;
        }

        return fixture;
    }

    private static InferRequest WithDeadline(BatcherFixture fixture, double milliseconds)
    {
        var request = fixture.Rows(9);
        request.DeadlineAt = fixture.Timer.Now + ManualDelayTimer.Ticks(milliseconds * Millisecond);
        return request;
    }

    private static async Task FinishAllAsync(BatcherFixture fixture, ManualRun run, int more, bool advance = true)
    {
        for (var i = 0; ; i++)
        {
            if (advance)
                fixture.Timer.Advance(9 * Millisecond);
            run.Finish();
            if (i == more)
                return;
            run = await fixture.Instance.NextRunAsync();
        }
    }
}
