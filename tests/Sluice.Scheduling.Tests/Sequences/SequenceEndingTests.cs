using Sluice.Inference;
using Sluice.Testing;
using static Sluice.Scheduling.Tests.SequenceFixture;

namespace Sluice.Scheduling.Tests;

/// <summary>Rules that requests of sequences must keep, bounds, time-outs and cancellation (spec §1.6, §3.5).</summary>
public sealed class SequenceEndingTests
{
    [Theory]
    [InlineData("0", 0, "inference request to model 'fake' must specify a non-zero or non-empty correlation ID")]
    [InlineData("7", 0, "inference request for sequence 7 to model 'fake' must specify the START flag on the first request of the sequence")]
    [InlineData("abc", End, "inference request for sequence abc to model 'fake' must specify the START flag on the first request of the sequence")]
    public async Task Execute_RuleBroken_IsRefused(string id, int flags, string message)
    {
        await using var fixture = new SequenceFixture(Model(Controls() with { Controls = [] }));
        var (request, done) = fixture.Send(id, 1, flags);
        await done;
        Assert.Equal((InferenceCode.InvalidArgument, message), (request.Status, request.StatusMessage));
        Assert.Equal((true, 1L), (request.IsRefused, fixture.Statistics.FailureCount(FailureReason.Other)));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(0)]
    public async Task Execute_OtherBatchThanOne_IsRefused(int rows)
    {
        await using var fixture = new SequenceFixture(Model(Controls()));
        var (request, done) = fixture.Send("1", 1, Start, rows, 1);
        await done;
        Assert.Equal(
            (InferenceCode.InvalidArgument, "inference request to model 'fake' must specify batch-size 1 due to requirements of sequence batcher"),
            (request.Status, request.StatusMessage));
    }

    [Fact]
    public async Task Execute_AfterEnd_NeedsAStart()
    {
        await using var fixture = new SequenceFixture(Model(Controls()));
        var (_, done) = fixture.Send("1", 1, Start | End);
        var late = fixture.Send("1", 2);
        (await fixture.Instance.NextRunAsync()).Finish();
        await Task.WhenAll(done, late.Done);
        Assert.Equal(InferenceCode.InvalidArgument, late.Request.Status);
    }

    [Fact]
    public async Task Execute_StartAfterEndWithTheSameId_IsAnotherSequence()
    {
        await using var fixture = new SequenceFixture(Model(Controls(), maxBatchSize: 1));
        var first = fixture.Send("1", 1, Start | End);
        var second = fixture.Send("1", 2, Start | End);
        Assert.Equal(2, fixture.SequenceCount);
        (await fixture.Instance.NextRunAsync()).Finish();
        (await fixture.Instance.NextRunAsync()).Finish();
        await Task.WhenAll(first.Done, second.Done);
        Assert.Equal((1, 2), (ValueOf(first.Request), ValueOf(second.Request)));
    }

    [Fact]
    public async Task Idle_TooLong_FreesTheSlotForTheBacklog()
    {
        await using var fixture = new SequenceFixture(Model(Controls() with { MaxIdleMicroseconds = 1000 }, maxBatchSize: 1));
        fixture.Instance.Automatic = run => run.Finish();
        await fixture.RunAsync("1", 1, Start);
        fixture.Timer.Advance(900);
        await fixture.RunAsync("1", 2);
        var waiting = fixture.Send("2", 3, Start | End);
        fixture.Timer.Advance(999);
        Assert.False(waiting.Done.IsCompleted);
        fixture.Timer.Advance(2);
        await waiting.Done;
        Assert.Equal(3, ValueOf(waiting.Request));
        var (late, done) = fixture.Send("1", 4);
        await done;
        Assert.Contains("must specify the START flag", late.StatusMessage, StringComparison.Ordinal);
        Assert.Equal(0, fixture.SequenceCount);
    }

    [Fact]
    public async Task Idle_WhileAStepRuns_DoesNotCount()
    {
        await using var fixture = new SequenceFixture(Model(Controls() with { MaxIdleMicroseconds = 1000 }));
        var first = fixture.Send("1", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        fixture.Timer.Advance(5000);
        run.Finish();
        await first.Done;
        var second = fixture.Send("1", 2, End);
        (await fixture.Instance.NextRunAsync()).Finish();
        await second.Done;
        Assert.True(second.Request.IsOk);
    }

    [Fact]
    public async Task Backlog_TimeoutOfARequest_EndsItsSequence()
    {
        await using var fixture = new SequenceFixture(Model(Controls(), maxBatchSize: 1));
        var first = fixture.Send("1", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        var start = fixture.Step("2", 2, Start);
        start.TimeoutMicroseconds = 500;
        var expiring = new[] { (start, fixture.Send(start)), fixture.Send("2", 3) };
        var patient = fixture.Step("3", 4, Start | End);
        patient.TimeoutMicroseconds = 10_000;
        var patientDone = fixture.Send(patient);
        fixture.Timer.Advance(501);
        foreach (var (request, done) in expiring)
        {
            await done;
            Assert.Equal(
                (InferenceCode.Unavailable, "timeout of the corresponding sequence has been expired"),
                (request.Status, request.StatusMessage));
        }

        Assert.Equal(2, fixture.Statistics.FailureCount(FailureReason.Rejected));
        var end = fixture.Send("1", 5, End);
        run.Finish();
        (await fixture.Instance.NextRunAsync()).Finish();
        (await fixture.Instance.NextRunAsync()).Finish();
        await Task.WhenAll(first.Done, end.Done, patientDone);
        Assert.True(patient.IsOk);
    }

    [Fact]
    public async Task Cancel_WaitingStep_EndsItsSequence()
    {
        await using var fixture = new SequenceFixture(Model(Controls(), maxBatchSize: 1));
        var first = fixture.Send("1", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        using var lifetime = new FakeLifetime();
        var cancelled = fixture.Step("1", 2);
        cancelled.Lifetime = lifetime;
        var cancelledDone = fixture.Send(cancelled);
        var behind = fixture.Send("1", 3, End);
        var next = fixture.Send("2", 4, Start | End);
        lifetime.Cancel();
        await Task.WhenAll(cancelledDone, behind.Done);
        Assert.Equal((InferenceCode.Cancelled, InferenceCode.Cancelled), (cancelled.Status, behind.Request.Status));
        run.Finish();
        await first.Done;
        Assert.True(first.Request.IsOk);
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal([4], Ints(run, 0));
        run.Finish();
        await next.Done;
        Assert.Equal(0, fixture.SequenceCount);
        Assert.Equal(2, fixture.Statistics.FailureCount(FailureReason.Canceled));
    }

    [Fact]
    public async Task Cancel_InTheBacklog_LeavesTheOthersTheirTurn()
    {
        await using var fixture = new SequenceFixture(Model(Controls(), maxBatchSize: 1));
        var first = fixture.Send("1", 1, Start | End);
        var run = await fixture.Instance.NextRunAsync();
        using var lifetime = new FakeLifetime();
        var cancelled = fixture.Step("2", 2, Start);
        cancelled.Lifetime = lifetime;
        var cancelledDone = fixture.Send(cancelled);
        var next = fixture.Send("3", 3, Start | End);
        lifetime.Cancel();
        await cancelledDone;
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal([3], Ints(run, 0));
        run.Finish();
        await Task.WhenAll(first.Done, next.Done);
        Assert.Equal(0, fixture.SequenceCount);
    }

    [Fact]
    public async Task Cancel_RunningStep_StopsTheEngineAndEndsTheSequence()
    {
        await using var fixture = new SequenceFixture(Model(Controls()));
        using var lifetime = new FakeLifetime();
        var other = fixture.Send("1", 1, Start | End);
        (await fixture.Instance.NextRunAsync()).Finish();
        await other.Done;

        // The row before it is a filled one: nobody waits for that either.
        var blocker = fixture.Send("9", 0, Start);
        (await fixture.Instance.NextRunAsync()).Finish();
        await blocker.Done;
        var running = fixture.Step("2", 2, Start);
        running.Lifetime = lifetime;
        var done = fixture.Send(running);
        var run = await fixture.Instance.NextRunAsync();
        Assert.Equal(2, run.Batch.RowCount);
        lifetime.Cancel();
        Assert.Equal(1, fixture.Instance.TerminateCount);
        run.Fail(new InferenceException(InferenceCode.Cancelled, "stopped"));
        await done;
        Assert.Equal(InferenceCode.Cancelled, running.Status);
        var late = fixture.Send("2", 3);
        await late.Done;
        Assert.Contains("must specify the START flag", late.Request.StatusMessage, StringComparison.Ordinal);
    }

    /// <summary>With no other traffic nothing but its own time-out ends it.</summary>
    [Fact]
    public async Task Cancel_RunningStep_WhatFollowsWithoutASlot_ExpiresCountedFromThen()
    {
        await using var fixture = new SequenceFixture(Model(Controls(), maxBatchSize: 1));
        using var lifetime = new FakeLifetime();
        var first = fixture.Send(lifetime, "1", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        var second = fixture.Step("1", 2, Start | End);
        second.TimeoutMicroseconds = 500;
        var secondDone = fixture.Send(second);
        fixture.Timer.Advance(700);
        lifetime.Cancel();
        Assert.Equal(1, fixture.WaitingCount);
        fixture.Timer.Advance(499);
        Assert.Equal(1, fixture.WaitingCount);
        fixture.Timer.Advance(2);
        Assert.Equal(0, fixture.WaitingCount);
        await secondDone;
        Assert.Equal(
            (InferenceCode.Unavailable, "timeout of the corresponding sequence has been expired"), (second.Status, second.StatusMessage));
        run.Fail(new InferenceException(InferenceCode.Cancelled, "stopped"));
        await first.Done;
    }

    [Fact]
    public async Task Deadline_PassedBeforeItsTurn_EndsTheSequence()
    {
        await using var fixture = new SequenceFixture(Model(Controls()));
        var first = fixture.Send("1", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        var late = fixture.Step("1", 2);
        late.DeadlineAt = fixture.Timer.Now + ManualDelayTimer.Ticks(10);
        var lateDone = fixture.Send(late);
        var behind = fixture.Send("1", 3, End);
        fixture.Timer.Advance(11);
        run.Finish();
        await Task.WhenAll(first.Done, lateDone, behind.Done);
        Assert.Equal((InferenceCode.DeadlineExceeded, InferenceCode.Cancelled), (late.Status, behind.Request.Status));
        Assert.Single(fixture.Instance.RowCounts);
    }

    [Fact]
    public async Task Deadline_PassedAndItsWaiterDisposesTheModel_DoesNotMeetTheInstancesThread()
    {
        await using var fixture = new SequenceFixture(Model(Controls()));
        using var gate = new SemaphoreSlim(0);
        fixture.Instance.Automatic = run =>
        {
            gate.Wait();
            fixture.Timer.AdvanceSilently(20);
            run.Finish();
        };
        var first = fixture.Send("1", 1, Start);
        var late = fixture.Step("1", 2);
        late.DeadlineAt = fixture.Timer.Now + ManualDelayTimer.Ticks(10);
        var disposed = DisposeAfterAsync();
        gate.Release();
        await Task.WhenAll(first.Done, disposed).WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(InferenceCode.DeadlineExceeded, late.Status);

        async Task DisposeAfterAsync()
        {
            await fixture.Batcher.ExecuteAsync(late);
            await fixture.DisposeModelAsync();
        }
    }

    [Fact]
    public async Task Execute_TooManySequencesOrRequests_AreRefusedWithTheBound()
    {
        var options = BatcherFixture.Queued with { MaxSequences = 2, MaxQueuedRequests = 3 };
        await using var fixture = new SequenceFixture(Model(Controls(), maxBatchSize: 1), options: options);
        var first = fixture.Send("1", 1, Start | End);
        var run = await fixture.Instance.NextRunAsync();
        var second = new[] { fixture.Send("2", 2, Start), fixture.Send("2", 3) };
        var refused = fixture.Send("3", 4, Start);
        await refused.Done;
        Assert.Equal(
            (InferenceCode.ResourceExhausted, "model 'fake' has 2 sequences under way, which is its limit; end one of them first"),
            (refused.Request.Status, refused.Request.StatusMessage));
        var third = fixture.Send("2", 5, End);
        var full = fixture.Send("2", 6);
        await full.Done;
        Assert.Equal((InferenceCode.Unavailable, "Exceeds maximum queue size"), (full.Request.Status, full.Request.StatusMessage));
        run.Finish();
        for (var i = 0; i < 3; i++)
            (await fixture.Instance.NextRunAsync()).Finish();
        await Task.WhenAll(first.Done, second[0].Done, second[1].Done, third.Done);
        Assert.Equal(2, fixture.Statistics.FailureCount(FailureReason.Rejected));
    }

    [Fact]
    public async Task Hold_UntilRequestsWait_BeginsWithAllOfThem()
    {
        var options = BatcherFixture.Queued with { HoldUntilQueued = 2, HoldUntilBacklogged = 1 };
        await using var fixture = new SequenceFixture(Model(Controls(), maxBatchSize: 2), options: options);
        var steps = new[] { fixture.Send("1", 1, Start | End), fixture.Send("2", 2, Start | End) };
        Assert.Empty(fixture.Instance.RowCounts);
        var last = fixture.Send("3", 3, Start | End);
        var run = await fixture.Instance.NextRunAsync();
        Assert.Equal(2, run.Batch.RowCount);
        run.Finish();
        (await fixture.Instance.NextRunAsync()).Finish();
        await Task.WhenAll(steps[0].Done, steps[1].Done, last.Done);
    }
}
