using Sluice.Inference;
using Sluice.Testing;
using static Sluice.Scheduling.Tests.SequenceFixture;

namespace Sluice.Scheduling.Tests;

/// <summary>A START of an id whose sequence has not ended: what becomes of the one does not touch the other (spec §3.5).</summary>
public sealed class SequenceAgainTests : IDisposable
{
    private static readonly SequenceSettings Iterative = Controls() with { IsIterative = true };

    private readonly FakeLifetime _lifetime = new();

    public void Dispose() => _lifetime.Dispose();

    [Theory]
    [InlineData(true, 0)]
    [InlineData(true, End)]
    [InlineData(false, 0)]
    [InlineData(false, End)]
    public async Task Cancel_RunningStep_TheStartBehindItRunsElsewhereAtOnce(bool isIterative, int flags)
    {
        await using var fixture = new SequenceFixture(Model(Controls() with { IsIterative = isIterative }, maxBatchSize: 1), instanceCount: 2);
        var first = fixture.Send(_lifetime, "5", 1, Start);
        var hanging = await fixture.Instances[0].NextRunAsync();
        var second = fixture.Send("5", 2, Start | flags);
        _lifetime.Cancel();
        var run = await fixture.Instances[1].NextRunAsync();
        Assert.Equal((2, 1), (Ints(run, 0)[0], Ints(run, 1)[0]));
        Assert.False(first.Done.IsCompleted);
        run.Finish();
        await second.Done;
        Assert.Equal(2, ValueOf(second.Request));
        hanging.Fail(new InferenceException(InferenceCode.Cancelled, "stopped"));
        await first.Done;
        Assert.Equal(InferenceCode.Cancelled, first.Request.Status);

        // The id is the second one's, as long as that goes on.
        var next = fixture.Send("5", 3, End);
        if (isIterative || flags == End)
        {
            await next.Done;
            Assert.Contains("must specify the START flag", next.Request.StatusMessage, StringComparison.Ordinal);
        }
        else
        {
            (await fixture.Instances[1].NextRunAsync()).Finish();
            await next.Done;
            Assert.Equal(3, ValueOf(next.Request));
        }

        Assert.Equal(0, fixture.SequenceCount);
    }

    [Fact]
    public async Task Cancel_RunningStepOfTheOnlySlot_TheStartBehindItKeepsItsPlace()
    {
        await using var fixture = new SequenceFixture(Model(Iterative, maxBatchSize: 1));
        var first = fixture.Send(_lifetime, "5", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        var others = fixture.Send("6", 6, Start);
        var second = fixture.Send("5", 2, Start);
        _lifetime.Cancel();
        Assert.Equal((3, 2), (fixture.Batcher.Sequences!.Value.UnderWay, fixture.Batcher.Sequences!.Value.Waiting));
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal((2, 1), (Ints(run, 0)[0], Ints(run, 1)[0]));
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal(6, Ints(run, 0)[0]);
        run.Finish();
        await Task.WhenAll(first.Done, second.Done, others.Done);
        Assert.Equal((InferenceCode.Ok, 2, 6), (second.Request.Status, ValueOf(second.Request), ValueOf(others.Request)));
        Assert.Equal(0, fixture.SequenceCount);
    }

    [Fact]
    public async Task Cancel_RescheduledRequestThatWaits_TheStartBehindItBeginsWithoutItsState()
    {
        var instance = new ManualStreamingInstance();
        var oldest = new OldestSettings { MaxCandidateSequences = 2, PreferredBatchSizes = [2], MaxQueueDelayMicroseconds = 100 };
        var settings = Model(new SequenceSettings { IsIterative = true, Oldest = oldest, States = [State("", 1)] }) with { IsDecoupled = true };
        await using var fixture = new SequenceFixture(settings, instance: instance);
        var (gone, sink) = (new FakeSink(), new FakeSink());
        var first = fixture.Send(_lifetime, "5", 1, Start, gone);
        fixture.Timer.Advance(101);
        var run = await instance.NextRunAsync();
        await run.SendAsync(7);
        await run.Responses.RescheduleAsync();
        var request = fixture.Step("5", 2, Start);
        request.Sink = sink;
        var second = fixture.Send(request);
        run.End();
        await Eventually.TrueAsync(() => fixture.Timer.DueAt != long.MaxValue);
        _lifetime.Cancel();
        await first.Done;
        Assert.Equal(InferenceCode.Cancelled, first.Request.Status);
        fixture.Timer.Advance(101);
        run = await instance.NextRunAsync();
        Assert.Equal(request, run.Responses.Request);
        unsafe
        {
            Assert.Equal(0, *(int*)run.Responses.Inputs.Inputs[1].Data);
        }

        await run.SendAsync(9, isFinal: true);
        run.End();
        await second;
        Assert.Equal(9, Assert.Single(sink.Entries).Value);
        Assert.Equal(7, Assert.Single(gone.Entries).Value);
        Assert.Equal(0, fixture.SequenceCount);
    }

    [Fact]
    public async Task Cancel_StartBehindARunningStep_LeavesThatOneAloneAndEndsItsSequence()
    {
        await using var fixture = new SequenceFixture(Model(Controls()));
        var first = fixture.Send("5", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        var second = fixture.Send(_lifetime, "5", 2, Start);
        var behind = fixture.Send("5", 3);
        _lifetime.Cancel();
        await Task.WhenAll(second.Done, behind.Done);
        Assert.Equal((InferenceCode.Cancelled, InferenceCode.Cancelled), (second.Request.Status, behind.Request.Status));

        // It would be a step of the cancelled one, not of the one before.
        var late = fixture.Send("5", 4);
        await late.Done;
        Assert.Contains("must specify the START flag", late.Request.StatusMessage, StringComparison.Ordinal);
        run.Finish();
        await first.Done;
        Assert.Equal((1, 0), (ValueOf(first.Request), fixture.SequenceCount));
    }

    [Fact]
    public async Task Cancel_OneOfThreeSequencesOfAnId_LeavesTheOthers()
    {
        await using var fixture = new SequenceFixture(Model(Controls(), maxBatchSize: 1));
        var first = fixture.Send("5", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        var second = new[] { fixture.Send("5", 2, Start), fixture.Send(_lifetime, "5", 3), fixture.Send("5", 4) };
        var third = new[] { fixture.Send("5", 5, Start), fixture.Send("5", 6, End) };
        _lifetime.Cancel();
        await Task.WhenAll(second.Select(step => step.Done));
        Assert.All(second, step => Assert.Equal(InferenceCode.Cancelled, step.Request.Status));
        foreach (var (value, start) in new[] { (5, 1), (6, 0) })
        {
            run.Finish();
            run = await fixture.Instance.NextRunAsync();
            Assert.Equal((value, start), (Ints(run, 0)[0], Ints(run, 1)[0]));
        }

        run.Finish();
        await Task.WhenAll([first.Done, .. third.Select(step => step.Done)]);
        Assert.Equal((1, 0), (ValueOf(first.Request), fixture.SequenceCount));
    }

    [Fact]
    public async Task Deadline_PassedBeforeItsTurn_TheStartBehindItRuns()
    {
        await using var fixture = new SequenceFixture(Model(Iterative));
        var first = fixture.Send("5", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        var late = fixture.Step("5", 2, Start);
        late.DeadlineAt = fixture.Timer.Now + ManualDelayTimer.Ticks(10);
        var (lateDone, last) = (fixture.Send(late), fixture.Send("5", 3, Start));
        fixture.Timer.Advance(11);
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal((3, 1), (Ints(run, 0)[0], Ints(run, 1)[0]));
        run.Finish();
        await Task.WhenAll(first.Done, lateDone, last.Done);
        Assert.Equal((InferenceCode.DeadlineExceeded, 3), (late.Status, ValueOf(last.Request)));
        Assert.Equal(0, fixture.SequenceCount);
    }

    [Fact]
    public async Task Deadline_OfTheNextOnesToo_EndsThemAll()
    {
        await using var fixture = new SequenceFixture(Model(Iterative));
        var first = fixture.Send("5", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        var late = Enumerable.Range(2, 3).Select(value => fixture.Step("5", value, Start)).ToArray();
        foreach (var request in late)
            request.DeadlineAt = fixture.Timer.Now + ManualDelayTimer.Ticks(10);
        var done = late.Select(fixture.Send).ToArray();
        fixture.Timer.Advance(11);
        run.Finish();
        await Task.WhenAll([first.Done, .. done]);
        Assert.All(late, request => Assert.Equal(InferenceCode.DeadlineExceeded, request.Status));
        Assert.Equal((0, 1), (fixture.SequenceCount, fixture.Instance.RowCounts.Count));
    }

    [Fact]
    public async Task Backlog_TimeoutOfARequest_LeavesTheStartBehindIt()
    {
        await using var fixture = new SequenceFixture(Model(Controls(), maxBatchSize: 1));
        var first = fixture.Send("1", 1, Start | End);
        var run = await fixture.Instance.NextRunAsync();
        var start = fixture.Step("2", 2, Start);
        start.TimeoutMicroseconds = 500;
        var expiring = fixture.Send(start);
        var patient = fixture.Step("2", 3, Start | End);
        patient.TimeoutMicroseconds = 10_000;
        var patientDone = fixture.Send(patient);
        fixture.Timer.Advance(501);
        await expiring;
        Assert.Equal("timeout of the corresponding sequence has been expired", start.StatusMessage);
        run.Finish();
        (await fixture.Instance.NextRunAsync()).Finish();
        await Task.WhenAll(first.Done, patientDone);
        Assert.Equal((3, 0), (ValueOf(patient), fixture.SequenceCount));
    }

    [Fact]
    public async Task Cancel_AtAnyMoment_EveryOtherRequestIsAnsweredWithItsOwn()
    {
        await using var fixture = new SequenceFixture(
            Model(Iterative with { Oldest = new OldestSettings { MaxCandidateSequences = 2 } }), instanceCount: 2, notesRenters: false);
        foreach (var instance in fixture.Instances)
            instance.Automatic = run => run.Finish();
        await Task.WhenAll(Enumerable.Range(1, 8).Select(caller => Task.Run(async () =>
        {
            for (var round = 0; round < 100; round++)
            {
                using var lifetime = new FakeLifetime();
                InferRequest cancelled, request;
                lock (fixture)
                    (cancelled, request) = (fixture.Step($"{1 + (caller % 3)}", -1, Start), fixture.Step($"{1 + (caller % 3)}", (caller * 1000) + round, Start));
                cancelled.Lifetime = lifetime;
                var (first, second) = (fixture.Send(cancelled), fixture.Send(request));
                lifetime.Cancel();
                await Task.WhenAll(first, second);
                Assert.Equal("", request.StatusMessage);
                Assert.Equal((caller * 1000) + round, ValueOf(request));
            }
        })));
        Assert.Equal((0, 0L), (fixture.SequenceCount, fixture.Statistics.PendingCount));
    }
}
