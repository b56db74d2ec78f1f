using Sluice.Inference;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Scheduling.Tests;

/// <summary>How requests end otherwise than by an answer, and what becomes of the others.</summary>
public sealed class EndingTests
{
    private static readonly DynamicBatchingSettings NoDelay = new();

    [Fact]
    public async Task Execute_QueueFull_IsUnavailable()
    {
        await using var fixture = new BatcherFixture(
            TestRequests.Settings(NoDelay), options: BatcherFixture.Queued with { MaxQueuedRequests = 1 });
        var (_, done, run) = await fixture.SendAndStart(1);
        var waiting = fixture.Send(fixture.Rows(2));
        var refused = fixture.Rows(3);
        await fixture.Send(refused);
        Assert.Equal((InferenceCode.Unavailable, "Exceeds maximum queue size"), (refused.Status, refused.StatusMessage));
        Assert.Equal(1, fixture.Statistics.FailureCount(FailureReason.Rejected));
        Assert.Equal(1, fixture.Statistics.PendingCount);
        run.Finish();
        (await fixture.Instance.NextRunAsync()).Finish();
        await Task.WhenAll(done, waiting);
    }

    [Fact]
    public async Task Execute_TimeoutInTheQueue_IsUnavailable()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(Policy(1000)));
        var (_, done, run) = await fixture.SendAndStart(1);
        var late = fixture.Rows(2);
        var lateDone = fixture.Send(late);
        fixture.Timer.Advance(1000);
        await lateDone;
        Assert.Equal((InferenceCode.Unavailable, "Request timeout expired"), (late.Status, late.StatusMessage));
        Assert.Equal(1, fixture.Statistics.FailureCount(FailureReason.Rejected));
        Assert.Equal(0, fixture.Statistics.PendingCount);
        run.Finish();
        await done;
        Assert.Equal([1], fixture.Instance.RowCounts);
    }

    [Fact]
    public async Task Execute_AnotherComesAfterATimeoutThatTheTimerHasNotSeen_BothEnd()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(Policy(1000)));
        var (_, done, run) = await fixture.SendAndStart(1);
        var (late, next) = (fixture.Rows(2), fixture.Rows(3));
        var lateDone = fixture.Send(late);
        fixture.Timer.AdvanceSilently(1001);
        var nextDone = fixture.Send(next);
        fixture.Timer.Advance(1);
        await lateDone;
        Assert.Equal(InferenceCode.Unavailable, late.Status);
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal(TestRequests.Bytes(3, 3), run.Input(0));
        run.Finish();
        await Task.WhenAll(done, nextDone);
        Assert.True(next.IsOk);
        Assert.Equal(0, fixture.Statistics.PendingCount);
    }

    [Fact]
    public async Task Execute_TimeoutWithDelayAction_RunsBehindTheOthers()
    {
        await using var fixture = new BatcherFixture(
            TestRequests.Settings(Policy(1000, QueueTimeoutAction.Delay), maxBatchSize: 1));
        var (_, done, run) = await fixture.SendAndStart(1);
        var late = fixture.Send(fixture.Rows(2));
        fixture.Timer.Advance(500);
        var next = fixture.Send(fixture.Rows(3));
        fixture.Timer.Advance(500);
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal(TestRequests.Bytes(3, 3), run.Input(0));
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal(TestRequests.Bytes(2, 2), run.Input(0));
        run.Finish();
        await Task.WhenAll(done, late, next);
    }

    [Fact]
    public async Task Watched_WhenItsCallerHasGoneAlready_EndsOffTheLock()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(NoDelay), options: new SchedulerOptions { InlineLimit = TimeSpan.FromSeconds(10) });
        var (_, done, run) = await fixture.SendAndStart(1);
        run.Finish();
        await done;

        // A cheap model's requests are not watched, until it stalls.
        (_, done, run) = await fixture.SendAndStart(2);
        using var lifetime = new FakeLifetime();
        var waiting = fixture.Rows(3);
        waiting.Lifetime = lifetime;
        var wasHeld = false;
        var ended = EndAsync();
        lifetime.Cancel();
        Assert.True(fixture.Batcher.WatchStalled(long.MaxValue));
        await ended.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.False(wasHeld);
        Assert.Equal(InferenceCode.Cancelled, waiting.Status);
        run.Finish();
        await done;

        async Task EndAsync()
        {
            await fixture.Batcher.ExecuteAsync(waiting).ConfigureAwait(false);
            wasHeld = Monitor.IsEntered(fixture.Batcher.Gate);
        }
    }

    [Fact]
    public async Task Execute_CancelledInTheQueue_NeverRuns()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(NoDelay));
        using var lifetime = new FakeLifetime();
        var (_, done, run) = await fixture.SendAndStart(1);
        var cancelled = fixture.Rows(2);
        cancelled.Lifetime = lifetime;
        var cancelledDone = fixture.Send(cancelled);
        var other = fixture.Send(fixture.Rows(3));
        lifetime.Cancel();
        await cancelledDone;
        Assert.Equal(InferenceCode.Cancelled, cancelled.Status);
        Assert.Equal(1, fixture.Statistics.FailureCount(FailureReason.Canceled));
        Assert.Equal(1, fixture.Statistics.PendingCount);
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal(TestRequests.Bytes(3, 3), run.Input(0));
        run.Finish();
        await Task.WhenAll(done, other);
        Assert.Equal(0, fixture.Instance.TerminateCount);
    }

    [Fact]
    public async Task Execute_CancelledBeforeItCame_NeverRuns()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(NoDelay));
        using var lifetime = new FakeLifetime { IsDeadlineExceeded = true };
        lifetime.Cancel();
        var request = fixture.Rows(1);
        request.Lifetime = lifetime;
        await fixture.Send(request);
        Assert.Equal(InferenceCode.DeadlineExceeded, request.Status);
        Assert.Contains("'fake'", request.StatusMessage, StringComparison.Ordinal);
        Assert.Equal(1, fixture.Statistics.FailureCount(FailureReason.Canceled));
        Assert.Equal(0, fixture.Statistics.ExecutionCount);
    }

    [Fact]
    public async Task Execute_AllOfABatchCancelled_TerminatesItAndOnlyThen()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(NoDelay));
        using var first = new FakeLifetime();
        using var second = new FakeLifetime();
        var (_, done, run) = await fixture.SendAndStart(1);
        var requests = new[] { fixture.Rows(2), fixture.Rows(3) };
        (requests[0].Lifetime, requests[1].Lifetime) = (first, second);
        var tasks = Array.ConvertAll(requests, fixture.Send);
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal(2, run.Batch.RowCount);
        first.Cancel();
        Assert.Equal(0, fixture.Instance.TerminateCount);
        second.Cancel();
        Assert.Equal(1, fixture.Instance.TerminateCount);
        run.Fail(new InferenceException(InferenceCode.Cancelled, "stopped"));
        await Task.WhenAll([done, .. tasks]);
        Assert.All(requests, request => Assert.Equal(InferenceCode.Cancelled, request.Status));
        Assert.Equal(2, fixture.Statistics.FailureCount(FailureReason.Canceled));

        // Neither is tried alone afterwards: nobody waits for them.
        Assert.Equal([1, 2], fixture.Instance.RowCounts);
    }

    [Fact]
    public async Task Execute_DeadlinePassedInTheQueue_IsNotRun()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(NoDelay));
        var (_, done, run) = await fixture.SendAndStart(1);
        var (dead, alive) = (fixture.Rows(2), fixture.Rows(3));
        dead.DeadlineAt = fixture.Timer.Now + ManualDelayTimer.Ticks(50);
        alive.DeadlineAt = fixture.Timer.Now + ManualDelayTimer.Ticks(5000);
        var tasks = new[] { fixture.Send(dead), fixture.Send(alive) };
        fixture.Timer.Advance(50);
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal(TestRequests.Bytes(3, 3), run.Input(0));
        run.Finish();
        await Task.WhenAll([done, .. tasks]);
        Assert.Equal(InferenceCode.DeadlineExceeded, dead.Status);
        Assert.Equal([3], TestRequests.RowsOf(alive));
        Assert.Equal(1, fixture.Statistics.FailureCount(FailureReason.Canceled));
    }

    [Fact]
    public async Task Execute_OneBadRequestInABatch_TheOthersAreAnswered()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(NoDelay));
        var (_, done, run) = await fixture.SendAndStart(1);
        var requests = new[] { fixture.Rows(2), fixture.Rows(666), fixture.Rows(4) };
        var tasks = Array.ConvertAll(requests, fixture.Send);
        fixture.Instance.Automatic = attempt =>
        {
            if (attempt.Input(0)!.AsSpan().IndexOf(TestRequests.Bytes(666)) >= 0)
                attempt.Fail(new InferenceException(InferenceCode.InvalidArgument, "666 is no good"));
            else
                attempt.Finish();
        };
        run.Finish();
        await Task.WhenAll([done, .. tasks]);
        Assert.Equal([2], TestRequests.RowsOf(requests[0]));
        Assert.Equal((InferenceCode.InvalidArgument, "666 is no good"), (requests[1].Status, requests[1].StatusMessage));
        Assert.Equal([4], TestRequests.RowsOf(requests[2]));
        Assert.Equal([1, 3, 1, 1, 1], fixture.Instance.RowCounts);
        Assert.Equal(1, fixture.Statistics.FailureCount(FailureReason.Backend));
        Assert.Equal(3, fixture.Statistics.Success.Count);
        Assert.Empty(fixture.Logger.Entries);
    }

    [Fact]
    public async Task Execute_EngineThrowsWhatItShouldNot_IsInternalAndLogged()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(NoDelay));
        var (request, done, run) = await fixture.SendAndStart(1);
        run.Fail(new InvalidOperationException("boom"));
        await done;
        Assert.Equal((InferenceCode.Internal, "model 'fake' failed: boom"), (request.Status, request.StatusMessage));
        Assert.Equal(1300, Assert.Single(fixture.Logger.Entries).Id.Id);
    }

    [Fact]
    public async Task Execute_EngineGivesNoOutput_IsInternal()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(NoDelay));
        var (request, done, run) = await fixture.SendAndStart(1);
        run.Finish(_ => { });
        await done;
        Assert.Equal(
            (InferenceCode.Internal, "model 'fake' did not produce output 'OUT'"), (request.Status, request.StatusMessage));
    }

    [Fact]
    public async Task Execute_EngineGivesTooFewRowsForABatch_EachIsTriedAlone()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(NoDelay));
        var (_, done, run) = await fixture.SendAndStart(1);
        var requests = new[] { fixture.Rows(2), fixture.Rows(3) };
        var tasks = Array.ConvertAll(requests, fixture.Send);
        run.Finish();
        (await fixture.Instance.NextRunAsync()).Finish(batch => batch.SetOutput(0, [1, 2], new byte[8]));
        (await fixture.Instance.NextRunAsync()).Finish();
        (await fixture.Instance.NextRunAsync()).Finish();
        await Task.WhenAll([done, .. tasks]);
        Assert.Equal([2], TestRequests.RowsOf(requests[0]));
        Assert.Equal([3], TestRequests.RowsOf(requests[1]));
    }

    [Fact]
    public async Task Dispose_ResponsesStillHeld_StayReadableAndLeakNothing()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(NoDelay));
        var (request, done, run) = await fixture.SendAndStart(7, 8);
        run.Finish();
        await done;
        await fixture.DisposeModelAsync();
        Assert.Equal([7, 8], TestRequests.RowsOf(request));
    }

    [Fact]
    public async Task Dispose_NeverUsed_Ends()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(NoDelay), instanceCount: 3);
        await fixture.DisposeModelAsync();
    }

    [Fact]
    public async Task Dispose_ByTheWaiterOfTheLastAnswer_Ends()
    {
        foreach (var (isOrdered, isCheap) in new[] { (false, false), (true, false), (false, true) })
        {
            var settings = TestRequests.Settings(new DynamicBatchingSettings { PreserveOrdering = isOrdered });
            await using var fixture = new BatcherFixture(
                settings, instanceCount: 2, isCheap ? new SchedulerOptions() : BatcherFixture.Queued);
            foreach (var instance in fixture.Instances)
                instance.Automatic = run => run.Finish();
            var last = fixture.Batcher.ExecuteAsync(fixture.Rows(1)).AsTask();

            // Continues wherever the answer was given, as a call's handler does.
            await last.ContinueWith(
                _ => fixture.DisposeModelAsync(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default).Unwrap().WaitAsync(TimeSpan.FromSeconds(20));
        }
    }

    [Fact]
    public async Task Execute_Inline_AllocatesNothing()
    {
        using var pool = new TensorBufferPool(new TensorBufferPoolOptions());
        var settings = TestRequests.Settings();
        using var timer = new Timing.PrecisionTimer();
        await using var batcher = new Dynamic.DynamicBatcher(
            settings, new FakeModel(new ModelDescription([], []), _ => throw new NotSupportedException()),
            [new EchoInstance()], pool, new SchedulerOptions { InlineLimit = TimeSpan.FromSeconds(10) }, timer,
            new RecordingLogger<Dynamic.DynamicBatcher>());
        var request = new InferRequest();
        var source = TestRequests.Rows(settings, 5);
        TestRequests.Fill(request, settings, 5);

        // The first one runs on the model's thread, which is idle again some time after it has answered.
        ValueTask first;
        while (!(first = batcher.ExecuteAsync(request)).IsCompleted)
        {
            await first;
            await Task.Yield();
            request.Reset();
            TestRequests.Fill(request, settings, 5);
        }

        request.Reset();

        long Measure(int count)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < count; i++)
            {
                ref var input = ref request.AddInput();
                input.Name = request.AddText("IN"u8);
                input.DataType = DataType.Int32;
                input.Shape = source.Inputs[0].Shape;
                input.Data = source.Inputs[0].Data;
                input.HasData = true;
                RequestBinder.Bind(request, settings);
                var done = batcher.ExecuteAsync(request);
                if (!done.IsCompletedSuccessfully || !request.IsOk)
                    throw new InvalidOperationException("not inline");
                done.GetAwaiter().GetResult();
                request.Reset();
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Measure(500);
        Assert.Equal(0, Measure(1000));
    }

    private static DynamicBatchingSettings Policy(long timeout, QueueTimeoutAction action = default) => new()
    {
        DefaultQueuePolicy = new QueuePolicySettings { DefaultTimeoutMicroseconds = timeout, TimeoutAction = action },
    };
}
