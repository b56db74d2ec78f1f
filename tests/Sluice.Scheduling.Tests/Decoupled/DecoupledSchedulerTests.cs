using Sluice.Inference;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Scheduling.Tests;

/// <summary>Requests of models that answer response by response.</summary>
public sealed class DecoupledSchedulerTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Responses_ThreeAndAnEmptyEnd_ReachTheSinkInOrder()
    {
        await using var fixture = new DecoupledFixture();
        var (request, sink, done, run) = await fixture.SendAndStart(7);
        Assert.Equal(7, Input(run));
        for (var i = 0; i < 3; i++)
            await run.SendAsync(i);
        Assert.False(done.IsCompleted);
        await run.Responses.CompleteAsync();
        run.End();
        await done;
        Assert.True(request.IsOk);
        Assert.Equal(0, request.OutputCount);
        Assert.Equal(
            [(ResponseKind.Partial, 0), (ResponseKind.Partial, 1), (ResponseKind.Partial, 2), (ResponseKind.EmptyFinal, null)],
            sink.Entries.Select(entry => (entry.Kind, entry.Value)));
        Assert.Equal((1, 1), (fixture.Statistics.Success.Count, fixture.Statistics.ExecutionCount));
    }

    [Fact]
    public async Task Responses_FromManyThreads_AreWrittenOneAtATime()
    {
        await using var fixture = new DecoupledFixture();
        var (_, sink, done, run) = await fixture.SendAndStart(1);
        var senders = Enumerable.Range(0, 8).Select(thread => Task.Run(async () =>
        {
            for (var i = 0; i < 100; i++)
                await run.SendAsync((thread * 100) + i);
        }));
        await Task.WhenAll(senders).WaitAsync(Patience);
        await run.Responses.CompleteAsync();
        run.End();
        await done;
        Assert.Equal(Enumerable.Range(0, 800), sink.Entries.SkipLast(1).Select(entry => entry.Value!.Value).Order());
    }

    [Fact]
    public async Task Send_WithoutRoomAtTheReader_WaitsAndKeepsOneResponse()
    {
        await using var fixture = new DecoupledFixture();
        var (_, sink, done, run) = await fixture.SendAndStart(1);
        sink.Room = new TaskCompletionSource();
        var first = run.SendAsync(1).AsTask();
        var second = run.SendAsync(2).AsTask();
        Assert.Single(sink.Entries);
        Assert.False(first.IsCompleted || second.IsCompleted);
        var room = sink.Room;
        sink.Room = null;
        room.SetResult();
        await Task.WhenAll(first, second).WaitAsync(Patience);
        await run.SendAsync(3, isFinal: true);
        run.End();
        await done;
        Assert.Equal([1, 2, 3], sink.Entries.Select(entry => entry.Value!.Value));
    }

    [Fact]
    public async Task Instance_BusyNoMore_TakesTheNextWhileResponsesFlow()
    {
        await using var fixture = new DecoupledFixture();
        var (_, firstSink, firstDone, first) = await fixture.SendAndStart(1);
        var secondSink = new FakeSink();
        var secondDone = fixture.Send(fixture.Request(2, secondSink));
        Assert.Equal(1, fixture.Statistics.PendingCount);
        first.End();
        var second = await fixture.Instance.NextRunAsync();
        Assert.Equal((1, 2), (Input(first), Input(second)));
        await second.SendAsync(20, isFinal: true);
        second.End();
        await secondDone;
        await first.SendAsync(10, isFinal: true);
        await firstDone;
        Assert.Equal((10, 20), (firstSink.Entries[0].Value, secondSink.Entries[0].Value));
    }

    [Fact]
    public async Task Request_EndsWithItsFinalResponse_HoweverLongTheInstanceIsBusy()
    {
        await using var fixture = new DecoupledFixture();
        var (_, _, done, run) = await fixture.SendAndStart(1);
        await run.SendAsync(1, isFinal: true);
        await done;
        var disposing = fixture.DisposeModelAsync();
        Assert.False(fixture.Instance.IsDisposed);
        run.End();
        await disposing.WaitAsync(Patience);
        Assert.True(fixture.Instance.IsDisposed);
    }

    [Fact]
    public async Task Failure_InTheMiddle_IsAResponseLikeOthers()
    {
        await using var fixture = new DecoupledFixture();
        var (request, sink, done, run) = await fixture.SendAndStart(1);
        await run.SendAsync(1);
        await run.Responses.FailAsync(InferenceCode.Unknown, "bad luck");
        await run.SendAsync(2, isFinal: true);
        run.End();
        await done;
        Assert.True(request.IsOk);
        Assert.Equal([InferenceCode.Ok, InferenceCode.Unknown, InferenceCode.Ok], sink.Entries.Select(entry => entry.Status));
        Assert.Equal("bad luck", sink.Entries[1].Message);
        Assert.Equal((0, 1), (fixture.Statistics.Success.Count, fixture.Statistics.FailureCount(FailureReason.Backend)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Execution_Throws_IsTheFinalResponse(bool isExpected)
    {
        await using var fixture = new DecoupledFixture();
        var (_, sink, done, run) = await fixture.SendAndStart(1);
        await run.SendAsync(1);
        run.Fail(isExpected ? InferenceException.Invalid("no") : new ArithmeticException("oops"));
        await done;
        var expected = isExpected ? (InferenceCode.InvalidArgument, "no") : (InferenceCode.Internal, "model 'fake' failed: oops");
        Assert.Equal(expected, (sink.Entries[1].Status, sink.Entries[1].Message));
        Assert.Equal(ResponseKind.Final, sink.Entries[1].Kind);
        Assert.Equal(isExpected ? 0 : 1, fixture.Logger.Entries.Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Failure_IsTheModelsOwn_WhenItSendsItItself(bool isSent)
    {
        await using var fixture = new DecoupledFixture();
        var (request, _, done, run) = await fixture.SendAndStart(1);
        if (isSent)
            await run.Responses.FailAsync(InferenceCode.Unavailable, "closed");
        Assert.Equal(isSent, request.HasModelFailed);
        run.Fail(new InferenceException(InferenceCode.Unavailable, "gone"));
        await done;
        Assert.Equal(isSent, request.HasModelFailed);
    }

    [Fact]
    public async Task Execution_ThrowsAfterTheFinalResponse_ChangesNothing()
    {
        await using var fixture = new DecoupledFixture();
        var (_, sink, done, run) = await fixture.SendAndStart(1);
        await run.SendAsync(1, isFinal: true);
        await done;
        run.Fail(InferenceException.Invalid("too late"));
        var (_, _, nextDone, next) = await fixture.SendAndStart(2);
        await next.Responses.CompleteAsync();
        next.End();
        await nextDone;
        Assert.Single(sink.Entries);
    }

    [Fact]
    public async Task Send_AfterTheFinalResponse_Throws()
    {
        await using var fixture = new DecoupledFixture();
        var (_, _, done, run) = await fixture.SendAndStart(1);
        var late = run.Make(2);
        await run.SendAsync(1, isFinal: true);
        await done;
        await Assert.ThrowsAsync<InvalidOperationException>(() => run.Responses.SendAsync(late).AsTask());
        await Assert.ThrowsAsync<InvalidOperationException>(() => run.Responses.CompleteAsync().AsTask());
        run.End();
    }

    [Fact]
    public async Task Send_WithoutAnOutput_LeavesItOut()
    {
        await using var fixture = new DecoupledFixture();
        var (_, sink, done, run) = await fixture.SendAndStart(1);
        await run.Responses.SendAsync(run.Responses.Rent(), isFinal: true);
        run.End();
        await done;
        Assert.Equal((ResponseKind.Final, 0), (sink.Entries[0].Kind, sink.Entries[0].OutputCount));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public async Task ModelThatIsNotDecoupled_AnythingButOneResponse_IsAFailure(int count)
    {
        var settings = TestRequests.Settings(maxBatchSize: 0) with { Inputs = [TestRequests.Tensor("IN", DataType.Int32, 1)] };
        await using var fixture = new DecoupledFixture(settings);
        var request = fixture.Request(1);
        var done = fixture.Send(request);
        var run = await fixture.Instance.NextRunAsync();
        for (var i = 0; i < count; i++)
            await run.SendAsync(40 + i);
        await run.Responses.CompleteAsync();
        run.End();
        await done;
        if (count == 1)
        {
            Assert.Equal(40, BitConverter.ToInt32(request.Outputs[0].Data));
            return;
        }

        Assert.Equal(
            (InferenceCode.Internal, $"expected a single response, got {count}"), (request.Status, request.StatusMessage));
        Assert.Equal(0, request.OutputCount);
    }

    [Fact]
    public async Task ModelThatIsNotDecoupled_ItsOnlyResponseIsAFailure_FailsWithThat()
    {
        var settings = TestRequests.Settings(maxBatchSize: 0) with { Inputs = [TestRequests.Tensor("IN", DataType.Int32, 1)] };
        await using var fixture = new DecoupledFixture(settings);
        var request = fixture.Request(1);
        var done = fixture.Send(request);
        var run = await fixture.Instance.NextRunAsync();
        run.Fail(InferenceException.Invalid("no"));
        await done;
        Assert.Equal((InferenceCode.InvalidArgument, "no"), (request.Status, request.StatusMessage));
    }

    [Fact]
    public async Task Instance_ThatComputesBatches_AnswersOnce()
    {
        var instance = new EchoInstance();
        await using var fixture = new DecoupledFixture(instance: instance);
        var sink = new FakeSink();
        await fixture.Send(fixture.Request(5, sink));
        Assert.Equal((ResponseKind.Final, 5), (sink.Entries.Single().Kind, sink.Entries.Single().Value));
    }

    [Fact]
    public async Task Cancel_InTheQueue_NeverRuns()
    {
        await using var fixture = new DecoupledFixture();
        using var lifetime = new FakeLifetime();
        var (_, _, done, run) = await fixture.SendAndStart(1);
        var sink = new FakeSink();
        var waiting = fixture.Request(2, sink);
        waiting.Lifetime = lifetime;
        var waitingDone = fixture.Send(waiting);
        lifetime.Cancel();
        await waitingDone;
        Assert.Equal(InferenceCode.Cancelled, waiting.Status);
        Assert.Empty(sink.Entries);
        Assert.Equal(0, fixture.Statistics.PendingCount);
        await run.Responses.CompleteAsync();
        run.End();
        await done;
    }

    [Fact]
    public async Task Cancel_WhileItRuns_IsSeenByTheInstance()
    {
        await using var fixture = new DecoupledFixture();
        using var lifetime = new FakeLifetime();
        var sink = new FakeSink();
        var request = fixture.Request(2, sink);
        request.Lifetime = lifetime;
        var done = fixture.Send(request);
        var run = await fixture.Instance.NextRunAsync();
        Assert.False(run.Responses.CancellationToken.IsCancellationRequested);
        lifetime.Cancel();
        Assert.True(run.Responses.CancellationToken.IsCancellationRequested);
        await run.Responses.FailAsync(InferenceCode.Cancelled, "cancelled", isFinal: true);
        run.End();
        await done;
        Assert.Equal(InferenceCode.Cancelled, sink.Entries.Single().Status);
        Assert.Equal(1, fixture.Statistics.FailureCount(FailureReason.Canceled));
    }

    [Fact]
    public async Task Deadline_PassedInTheQueue_NeverRuns()
    {
        await using var fixture = new DecoupledFixture();
        var (_, _, done, run) = await fixture.SendAndStart(1);
        var late = fixture.Request(2, new FakeSink());
        late.DeadlineAt = fixture.Timer.Now + ManualDelayTimer.Ticks(100);
        var lateDone = fixture.Send(late);
        fixture.Timer.AdvanceSilently(101);
        await run.Responses.CompleteAsync();
        run.End();
        await Task.WhenAll(done, lateDone);
        Assert.Equal(InferenceCode.DeadlineExceeded, late.Status);
    }

    [Fact]
    public async Task Queue_Full_RefusesAndCountsThoseUnderWay()
    {
        await using var fixture = new DecoupledFixture(options: new SchedulerOptions { MaxQueuedRequests = 1 });
        var (_, _, done, run) = await fixture.SendAndStart(1);
        var refused = fixture.Request(2, new FakeSink());
        await fixture.Send(refused);
        Assert.Equal((InferenceCode.Unavailable, "Exceeds maximum queue size"), (refused.Status, refused.StatusMessage));
        Assert.True(refused.IsRefused);
        await run.Responses.CompleteAsync();
        run.End();
        await done;
        var (_, _, nextDone, next) = await fixture.SendAndStart(3);
        await next.Responses.CompleteAsync();
        next.End();
        await nextDone;
    }

    [Fact]
    public async Task Queue_TimeoutPolicy_Rejects()
    {
        var policy = new DynamicBatchingSettings { DefaultQueuePolicy = new QueuePolicySettings { DefaultTimeoutMicroseconds = 1000 } };
        var settings = TestRequests.Settings(policy, maxBatchSize: 0) with
        {
            IsDecoupled = true,
            Inputs = [TestRequests.Tensor("IN", DataType.Int32, 1)],
        };
        await using var fixture = new DecoupledFixture(settings);
        var (_, _, done, run) = await fixture.SendAndStart(1);
        var late = fixture.Request(2, new FakeSink());
        var lateDone = fixture.Send(late);
        fixture.Timer.Advance(1001);
        await lateDone;
        Assert.Equal((InferenceCode.Unavailable, "Request timeout expired"), (late.Status, late.StatusMessage));
        await run.Responses.CompleteAsync();
        run.End();
        await done;
    }

    [Fact]
    public async Task Statistics_OfResponses_AreKeptByPlace()
    {
        await using var fixture = new DecoupledFixture();
        var (_, _, done, run) = await fixture.SendAndStart(1);
        fixture.Timer.AdvanceSilently(100);
        var response = run.Make(1);
        fixture.Timer.AdvanceSilently(10);
        await run.Responses.SendAsync(response);
        fixture.Timer.AdvanceSilently(20);
        await run.Responses.FailAsync(InferenceCode.Unknown, "no");
        fixture.Timer.AdvanceSilently(30);
        run.Responses.SkipResponse();
        fixture.Timer.AdvanceSilently(40);
        await run.Responses.FailAsync(InferenceCode.Cancelled, "", isFinal: true);
        run.End();
        await done;
        var rows = fixture.Statistics.Responses;
        Assert.Equal(4, rows.Count);
        Assert.Equal((Microseconds(1, 100), Microseconds(1, 10), Microseconds(1, 110)), (rows[0].ComputeInfer, rows[0].ComputeOutput, rows[0].Success));
        Assert.Equal((Microseconds(1, 20), default, Microseconds(1, 20)), (rows[1].ComputeInfer, rows[1].ComputeOutput, rows[1].Failure));
        Assert.Equal((Microseconds(1, 30), default, Microseconds(1, 30)), (rows[2].ComputeInfer, rows[2].ComputeOutput, rows[2].Empty));
        Assert.Equal((default, Microseconds(1, 40)), (rows[3].ComputeInfer, rows[3].Cancelled));
        Assert.Equal(110_000, fixture.Statistics.FirstResponseLatency.SumNanoseconds);
    }

    private static DurationTotal Microseconds(long count, long microseconds) => new(count, microseconds * 1000);

    private static unsafe int Input(ManualStreamRun run) => *(int*)run.Responses.Inputs.Inputs[0].Data;
}
