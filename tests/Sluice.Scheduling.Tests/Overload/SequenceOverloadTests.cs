using Sluice.Inference;
using Sluice.Scheduling.Overload;
using Sluice.Scheduling.RateLimit;
using Sluice.Testing;
using static Sluice.Scheduling.Tests.SequenceFixture;

namespace Sluice.Scheduling.Tests.Overload;

/// <summary>A sequence model that has more work than it can do, on a hand-driven clock; executions take 10 ms.</summary>
public sealed class SequenceOverloadTests
{
    private const double Millisecond = 1000;

    private static readonly OldestSettings Oldest = new() { MaxCandidateSequences = 2 };

    public static TheoryData<bool> Strategies => [false, true];

    [Theory]
    [MemberData(nameof(Strategies))]
    public async Task StepThatCannotBeDoneInTime_IsRefusedAtOnce_AndItsSequenceGoesOnWithoutIt(bool isDirect)
    {
        await using var fixture = await StartAsync(isDirect ? null : Oldest, new OverloadSettings());
        var steps = new List<(InferRequest Request, Task Done)> { fixture.Send("1", 1, Start) };
        var run = await fixture.Instance.NextRunAsync();
        steps.AddRange(Enumerable.Range(2, 3).Select(value => fixture.Send("1", value)));

        // One runs and three wait, 10 ms each; its own makes 50 ms.
        var late = Step(fixture, "1", 100, 49.5, End);
        await fixture.Send(late);
        Assert.Equal(
            (InferenceCode.Unavailable, "model 'fake' cannot answer before the deadline: 49.5 ms are left, about 50.0 ms are needed", 1, true),
            (late.Status, late.StatusMessage, late.RetryAfterMilliseconds, late.IsRefused));
        Assert.Equal(1, fixture.Statistics.RefusalCount(RefusalReason.DeadlineTooSoon));
        var soon = Step(fixture, "1", 5, 50.5);
        steps.Add((soon, fixture.Send(soon)));
        for (var sum = 0; ;)
        {
            sum += Ints(run, 0)[0];
            Add(run);
            if (sum == 15)
                break;
            run = await fixture.Instance.NextRunAsync();
        }

        await Task.WhenAll(steps.Select(step => step.Done));
        Assert.Equal([1, 3, 6, 10, 15], steps.Select(step => ValueOf(step.Request)));

        // The refused one had the END flag, which never came.
        Assert.Equal(1, fixture.SequenceCount);
        var end = fixture.Send("1", 6, End);
        Add(await fixture.Instance.NextRunAsync());
        await end.Done;
        Assert.Equal((21, 0), (ValueOf(end.Request), fixture.SequenceCount));
    }

    [Fact]
    public async Task RefusedStart_NeverWas()
    {
        await using var fixture = await StartAsync(Oldest, new OverloadSettings());
        var first = fixture.Send("1", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        var (other, again) = (Step(fixture, "2", 5, 9, Start), Step(fixture, "1", 5, 9, Start));
        await Task.WhenAll(fixture.Send(other), fixture.Send(again));
        Assert.Equal((InferenceCode.Unavailable, InferenceCode.Unavailable), (other.Status, again.Status));
        Assert.Equal(1, fixture.SequenceCount);
        Assert.DoesNotContain(fixture.Logger.Entries, entry => entry.Text.Contains("begins anew", StringComparison.Ordinal));
        var next = fixture.Send("2", 6);
        await next.Done;
        Assert.Contains("must specify the START flag", next.Request.StatusMessage, StringComparison.Ordinal);
        Add(run);
        var end = fixture.Send("1", 2, End);
        Add(await fixture.Instance.NextRunAsync());
        await Task.WhenAll(first.Done, end.Done);
        Assert.Equal((3, 0), (ValueOf(end.Request), fixture.SequenceCount));
    }

    [Fact]
    public async Task StepsOfOthers_CountByBatches()
    {
        await using var fixture = await StartAsync(new OldestSettings { MaxCandidateSequences = 16 }, new OverloadSettings());
        var done = new List<Task> { fixture.Send("1", 1, Start | End).Done };
        var run = await fixture.Instance.NextRunAsync();
        done.AddRange(Enumerable.Range(2, 8).Select(id => fixture.Send($"{id}", id, Start | End).Done));

        // One runs; eight that are ready make two batches; its own is the third.
        var (late, soon) = (Step(fixture, "20", 1, 39.5, Start | End), Step(fixture, "21", 1, 40.5, Start | End));
        await fixture.Send(late);
        Assert.Contains("about 40.0 ms are needed", late.StatusMessage, StringComparison.Ordinal);
        done.Add(fixture.Send(soon));
        for (var i = 0; i < 4; i++)
        {
            Add(run);
            if (i < 3)
                run = await fixture.Instance.NextRunAsync();
        }

        await Task.WhenAll(done);
        Assert.True(soon.IsOk);
    }

    [Fact]
    public async Task SequenceWithoutASlot_WaitsAsLongAsOthersKeepTheirs()
    {
        // The first ones had their slots for 10 ms each.
        await using var fixture = await StartAsync(new OldestSettings { MaxCandidateSequences = 1 }, new OverloadSettings());
        var first = fixture.Send("1", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        fixture.Timer.Advance(4 * Millisecond);
        var (late, soon) = (Step(fixture, "2", 1, 15.5, Start | End), Step(fixture, "3", 1, 16.5, Start | End));
        await fixture.Send(late);
        Assert.Equal("model 'fake' cannot answer before the deadline: 15.5 ms are left, about 16.0 ms are needed", late.StatusMessage);
        var patient = (Request: fixture.Step("4", 7, Start | End), Done: Task.CompletedTask);
        var soonDone = fixture.Send(soon);
        patient.Done = fixture.Send(patient.Request);
        var end = fixture.Send("1", 2, End);
        for (var i = 0; i < 3; i++)
        {
            Add(run);
            run = await fixture.Instance.NextRunAsync();
        }

        Add(run);
        await Task.WhenAll(first.Done, end.Done, soonDone, patient.Done);
        Assert.True(soon.IsOk && patient.Request.IsOk);
    }

    [Theory]
    [InlineData(OverloadControl.Off, 100)]
    [InlineData(OverloadControl.Auto, 100)]
    [InlineData(OverloadControl.On, 3)]
    public async Task BurstOfSteps_WaitsOrIsRefused_AsTheControlSays(OverloadControl control, int accepted)
    {
        await using var fixture = await StartAsync(Oldest, new OverloadSettings { Control = control, Target = TimeSpan.FromMilliseconds(30) });
        var first = fixture.Send("1", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        var steps = Enumerable.Range(0, 100).Select(_ => fixture.Send("1", 1)).ToList();
        Assert.Equal(accepted, steps.Count(step => !step.Done.IsCompleted));
        Assert.All(steps.Where(step => !step.Request.IsOk), step =>
        {
            Assert.Contains("model 'fake' is overloaded: the request would wait about", step.Request.StatusMessage, StringComparison.Ordinal);
            Assert.True(step.Request.RetryAfterMilliseconds >= 1);
        });
        Assert.Equal(100 - accepted, fixture.Statistics.RefusalCount(RefusalReason.Overload));
        for (var i = 0; i < accepted; i++)
        {
            Add(run);
            run = await fixture.Instance.NextRunAsync();
        }

        Add(run);
        await Task.WhenAll([first.Done, .. steps.Select(step => step.Done)]);
        Assert.Equal(1, fixture.SequenceCount);
    }

    [Fact]
    public async Task BacklogThatStands_IsShed_AndSequencesThatHaveBegunGoOn()
    {
        await using var fixture = await StartAsync(
            new OldestSettings { MaxCandidateSequences = 1 },
            new OverloadSettings { Control = OverloadControl.Auto, Target = TimeSpan.FromMilliseconds(30), Interval = TimeSpan.FromMilliseconds(100) });
        var begun = new List<(InferRequest Request, Task Done)> { fixture.Send("1", 1, Start) };
        var run = await fixture.Instance.NextRunAsync();
        begun.AddRange(Enumerable.Range(0, 30).Select(_ => fixture.Send("1", 1)));
        var waiting = new[] { fixture.Send("2", 1, Start), fixture.Send("2", 2), fixture.Send("3", 1, Start | End) };
        while (!waiting[2].Done.IsCompleted)
        {
            fixture.Timer.Advance(10 * Millisecond);
            Add(run);
            run = await fixture.Instance.NextRunAsync();
            if (fixture.WaitingCount == 0)
                await Task.WhenAll(waiting.Select(step => step.Done));
        }

        Assert.All(waiting, step =>
        {
            Assert.Equal(InferenceCode.Unavailable, step.Request.Status);
            Assert.Contains("is overloaded: the sequence has waited", step.Request.StatusMessage, StringComparison.Ordinal);
            Assert.True(step.Request.RetryAfterMilliseconds >= 1);
        });
        Assert.Equal(3, fixture.Statistics.RefusalCount(RefusalReason.Overload));
        var late = fixture.Send("1", 1);
        await late.Done;
        Assert.Contains("is overloaded: the request would wait about", late.Request.StatusMessage, StringComparison.Ordinal);
        while (fixture.Statistics.PendingCount > 0)
        {
            Add(run);
            run = await fixture.Instance.NextRunAsync();
        }

        Add(run);
        await Task.WhenAll(begun.Select(step => step.Done));
        Assert.All(begun, step => Assert.True(step.Request.IsOk, step.Request.StatusMessage));
    }

    /// <summary>How long sequences wait for a slot is a matter of the clients that have the slots.</summary>
    [Theory]
    [InlineData(OverloadControl.Auto)]
    [InlineData(OverloadControl.On)]
    public async Task BacklogOfAModelThatIdles_IsNotShed(OverloadControl control)
    {
        await using var fixture = await StartAsync(
            new OldestSettings { MaxCandidateSequences = 1 },
            new OverloadSettings { Control = control, Target = TimeSpan.FromMilliseconds(30), Interval = TimeSpan.FromMilliseconds(100) });
        var begun = fixture.Send("1", 1, Start);
        Add(await fixture.Instance.NextRunAsync());
        await begun.Done;
        var waiting = Enumerable.Range(2, 3).Select(id => fixture.Send($"{id}", 1, Start | End)).ToArray();
        Assert.Equal(3, fixture.WaitingCount);
        for (var i = 0; i < 5; i++)
        {
            fixture.Timer.Advance(100 * Millisecond);
            var step = fixture.Send("1", 1, i == 4 ? End : 0);
            Add(await fixture.Instance.NextRunAsync());
            await step.Done;
        }

        // What has just got its slot has not waited for the model either.
        for (var i = 0; i < waiting.Length; i++)
        {
            var run = await fixture.Instance.NextRunAsync();
            fixture.Timer.Advance(60 * Millisecond);
            Add(run);
        }

        await Task.WhenAll(waiting.Select(step => step.Done));
        Assert.All(waiting, step => Assert.Equal("", step.Request.StatusMessage));
    }

    [Fact]
    public async Task StepsOfOthers_CountByTheInstancesThatAreThere()
    {
        var settings = Model(new SequenceSettings { Oldest = new OldestSettings { MaxCandidateSequences = 16 } }, maxBatchSize: 1);
        await using var fixture = new SequenceFixture(settings, instanceCount: 2);
        var seats = new[] { Seat(), Seat() };
        fixture.Batcher.Assign(seats);
        fixture.Batcher.Remove(seats[0]);
        for (var i = 0; i < 3; i++)
        {
            var (_, end) = fixture.Send("9", 0, Start | End);
            var learnt = await fixture.Instances[1].NextRunAsync();
            fixture.Timer.Advance(10 * Millisecond);
            learnt.Finish();
            await end;
        }

        // One runs, four are ready, its own is the last.
        var done = new List<Task> { fixture.Send("1", 1, Start | End).Done };
        var run = await fixture.Instances[1].NextRunAsync();
        done.AddRange(Enumerable.Range(2, 4).Select(id => fixture.Send($"{id}", id, Start | End).Done));
        var late = Step(fixture, "20", 1, 55, Start | End);
        await fixture.Send(late);
        Assert.Contains("about 60.0 ms are needed", late.StatusMessage, StringComparison.Ordinal);
        for (var i = 0; i < 4; i++)
        {
            run.Finish();
            run = await fixture.Instances[1].NextRunAsync();
        }

        run.Finish();
        await Task.WhenAll(done);

        static InstanceSeat Seat() => new(new InstancePlacement("fake", InstanceKind.Cpu, 0), null, null);
    }

    [Fact]
    public async Task StreamsOrIterativeRequests_OnlyTheWaitIsKnown()
    {
        var instance = new ManualStreamingInstance();
        var settings = Model(new SequenceSettings { Oldest = Oldest }) with { IsDecoupled = true };
        await using var fixture = new SequenceFixture(settings, options: BatcherFixture.Queued, instance: instance);
        var first = Stream(fixture, "1", Start | End);
        var run = await instance.NextRunAsync();
        fixture.Timer.Advance(10 * Millisecond);
        await run.Responses.CompleteAsync();
        run.End();
        await first.Done;
        first = Stream(fixture, "1", Start);
        run = await instance.NextRunAsync();
        var (late, soon) = (Stream(fixture, "1", 0, 9.5), Stream(fixture, "1", End, 10.5));
        await late.Done;
        Assert.Equal(
            (InferenceCode.Unavailable, "model 'fake' cannot answer before the deadline: 9.5 ms are left, about 10.0 ms are needed"),
            (late.Request.Status, late.Request.StatusMessage));
        for (var i = 0; i < 2; i++)
        {
            await run.Responses.CompleteAsync();
            run.End();
            if (i == 0)
                run = await instance.NextRunAsync();
        }

        await Task.WhenAll(first.Done, soon.Done);
        Assert.True(soon.Request.IsOk);
    }

    /// <summary>A model that adds up, whose executions are known to take 10 ms.</summary>
    private static async Task<SequenceFixture> StartAsync(OldestSettings? oldest, OverloadSettings overload)
    {
        var settings = Model(new SequenceSettings { Oldest = oldest, States = [State("", 1)] });
        var fixture = new SequenceFixture(settings, options: BatcherFixture.Queued with { Overload = overload });
        for (var i = 0; i < 3; i++)
        {
            var (_, done) = fixture.Send("9", 0, Start | End);
            var run = await fixture.Instance.NextRunAsync();
            fixture.Timer.Advance(10 * Millisecond);
            Add(run);
            await done;
        }

        return fixture;
    }

    private static (InferRequest Request, Task Done) Stream(SequenceFixture fixture, string id, int flags, double? milliseconds = null)
    {
        var request = milliseconds is { } left ? Step(fixture, id, 1, left, flags) : fixture.Step(id, 1, flags);
        request.Sink = new FakeSink();
        return (request, fixture.Send(request));
    }

    private static InferRequest Step(SequenceFixture fixture, string id, int value, double milliseconds, int flags = 0)
    {
        var request = fixture.Step(id, value, flags);
        request.DeadlineAt = fixture.Timer.Now + ManualDelayTimer.Ticks(milliseconds * Millisecond);
        return request;
    }

    private static void Add(ManualRun run) => run.Finish(r =>
    {
        var sums = TestRequests.Bytes([.. Ints(r, 0).Zip(Ints(r, 1), (value, sum) => value + sum)]);
        r.SetOutput(0, r.Batch.Inputs[0].Shape.Dimensions, sums);
        r.SetOutput(1, r.Batch.Inputs[0].Shape.Dimensions, sums);
    });
}
