using System.Buffers;
using Sluice.Inference;
using Sluice.Scheduling.RateLimit;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Scheduling.Tests;

/// <summary>Requests that one execution of a decoupled model takes together, as <c>dynamic_batching</c> says, each with its own responses.</summary>
public sealed class DecoupledGroupTests : IDisposable
{
    private static readonly DynamicBatchingSettings AtOnce = new();

    private readonly ManualStreamingGroupInstance _instance = new();

    public void Dispose() => _instance.Dispose();

    [Fact]
    public async Task RequestsThatWait_RunTogether_AndAreOneExecution()
    {
        await using var fixture = Start(AtOnce);
        var (firstSink, first) = Send(fixture, 1);
        var alone = await _instance.NextRunAsync();
        var others = Enumerable.Range(2, 3).Select(value => Send(fixture, value)).ToList();
        await alone.CompleteAsync();
        alone.End();
        await first;
        var run = await _instance.NextRunAsync();
        Assert.Equal([2, 3, 4], run.Values);
        Assert.Equal(0, fixture.Statistics.PendingCount);
        await run.SendAsync(0, 20);
        await run.SendAsync(2, 40, isFinal: true);
        await others[2].Done;
        Assert.False(others[0].Done.IsCompleted || others[1].Done.IsCompleted);
        Assert.Equal(1, fixture.Statistics.ExecutionCount);
        run.End();
        await run.SendAsync(0, 21, isFinal: true);
        await run.Requests[1].CompleteAsync();
        await Task.WhenAll(others.Select(other => other.Done));
        Assert.Single(firstSink.Entries);
        Assert.Equal([20, 21], others[0].Sink.Entries.Select(entry => entry.Value!.Value));
        Assert.Equal(ResponseKind.EmptyFinal, others[1].Sink.Entries.Single().Kind);
        Assert.Equal([40], others[2].Sink.Entries.Select(entry => entry.Value!.Value));
        var statistics = fixture.Statistics;
        Assert.Equal((4, 4, 2), (statistics.Success.Count, statistics.InferenceCount, statistics.ExecutionCount));
        Assert.Equal((1, 0, 1), (statistics.Batch(1).Count, statistics.Batch(2).Count, statistics.Batch(3).Count));
    }

    [Fact]
    public async Task Rows_OfARequestWithSeveral_CountForTheSize()
    {
        await using var fixture = Start(AtOnce);
        var busy = await HoldAsync(fixture);
        var all = new[] { Send(fixture, 1, 1, 1), Send(fixture, 2, 2, 2, 2), Send(fixture, 3, 3) }.Select(sent => sent.Done).ToList();
        await busy();
        var run = await _instance.NextRunAsync();
        Assert.Equal([1, 2], run.Values);
        await run.CompleteAsync();
        run.End();
        run = await _instance.NextRunAsync();
        Assert.Equal([3], run.Values);
        await run.CompleteAsync();
        run.End();
        await Task.WhenAll(all);
        Assert.Equal((1, 1), (fixture.Statistics.Batch(7).Count, fixture.Statistics.Batch(2).Count));
        Assert.Equal(1, fixture.Statistics.CutCount(BatchCutReason.WouldOverflow));
    }

    [Fact]
    public async Task Delay_HoldsARequestUntilItIsOver()
    {
        await using var fixture = Start(new DynamicBatchingSettings { MaxQueueDelayMicroseconds = 1000 });
        var sent = new List<Task> { Send(fixture, 1).Done };
        fixture.Timer.Advance(999);
        sent.Add(Send(fixture, 2).Done);
        Assert.Equal((0, 2), (_instance.UnseenCount, (int)fixture.Statistics.PendingCount));
        fixture.Timer.Advance(2);
        var run = await _instance.NextRunAsync();
        Assert.Equal([1, 2], run.Values);
        await run.CompleteAsync();
        run.End();
        await Task.WhenAll(sent);
        Assert.Equal(1, fixture.Statistics.CutCount(BatchCutReason.DelayReached));
        Assert.Equal(2, fixture.Statistics.BatchWaitLatency!.Count);
    }

    [Fact]
    public async Task PreferredSize_EndsTheDelay()
    {
        await using var fixture = Start(new DynamicBatchingSettings { MaxQueueDelayMicroseconds = 1_000_000, PreferredBatchSizes = [3] });
        var sent = Enumerable.Range(1, 3).Select(value => Send(fixture, value).Done).ToList();
        var run = await _instance.NextRunAsync();
        Assert.Equal([1, 2, 3], run.Values);
        await run.CompleteAsync();
        run.End();
        await Task.WhenAll(sent);
    }

    [Fact]
    public async Task Shapes_ThatDiffer_DoNotShareAnExecution()
    {
        await using var fixture = Start(AtOnce, dims: -1);
        var busy = await HoldAsync(fixture);
        var sent = new[] { (1, 1), (2, 1), (3, 2), (4, 2) }.Select(pair =>
        {
            var (value, width) = pair;
            return Send(fixture, [1, width], [.. Enumerable.Repeat(value, width)]).Done;
        }).ToList();
        await busy();
        foreach (var expected in new int[][] { [1, 2], [3, 4] })
        {
            var run = await _instance.NextRunAsync();
            Assert.Equal(expected, run.Values);
            await run.CompleteAsync();
            run.End();
        }

        await Task.WhenAll(sent);
    }

    [Fact]
    public async Task Priority_DecidesWhoIsTakenFirst()
    {
        await using var fixture = Start(new DynamicBatchingSettings { PriorityLevels = 2, DefaultPriorityLevel = 2, PreferredBatchSizes = [2] });
        var busy = await HoldAsync(fixture);
        var sent = new List<Task> { Send(fixture, 1).Done, Send(fixture, 2).Done };
        var urgent = Make(fixture, [1, 1], 3);
        urgent.Sink = new FakeSink();
        urgent.Priority = 1;
        sent.Add(fixture.Send(urgent));
        await busy();
        foreach (var expected in new int[][] { [3, 1], [2] })
        {
            var run = await _instance.NextRunAsync();
            Assert.Equal(expected, run.Values);
            await run.CompleteAsync();
            run.End();
        }

        await Task.WhenAll(sent);
    }

    [Fact]
    public async Task Late_Cancelled_AndBrokenRequests_LeaveTheOthersAlone()
    {
        await using var fixture = Start(AtOnce);
        using var lifetime = new FakeLifetime();
        var busy = await HoldAsync(fixture);
        var late = Make(fixture, [1, 1], 1);
        late.DeadlineAt = fixture.Timer.Now + ManualDelayTimer.Ticks(100);
        var cancelled = Make(fixture, [1, 1], 2);
        cancelled.Lifetime = lifetime;
        var broken = fixture.Keep(new InferRequest());
        TestRequests.Fill(broken, fixture.Settings, new ReadOnlySequence<byte>(new LostMemory().Memory), [1, 1]);
        var brokenSink = new FakeSink();
        broken.Sink = brokenSink;
        var gone = new[] { late, cancelled, broken }.Select(fixture.Send).ToList();
        var (sink, done) = Send(fixture, 4);
        var (otherSink, otherDone) = Send(fixture, 5);
        lifetime.Cancel();
        fixture.Timer.AdvanceSilently(101);
        await busy();
        var run = await _instance.NextRunAsync();
        Assert.Equal([4, 5], run.Values);
        await run.SendAsync(0, 40, isFinal: true);
        await run.SendAsync(1, 50, isFinal: true);
        run.End();
        await Task.WhenAll([.. gone, done, otherDone]);
        Assert.Equal(
            [InferenceCode.DeadlineExceeded, InferenceCode.Cancelled, InferenceCode.InvalidArgument],
            new[] { late.Status, cancelled.Status, brokenSink.Entries.Single().Status });
        Assert.Equal((40, 50), (sink.Entries.Single().Value, otherSink.Entries.Single().Value));

        // What could not be gathered was in no execution.
        Assert.Equal((2, 1), (fixture.Statistics.ExecutionCount, fixture.Statistics.Batch(2).Count));
        Assert.Equal(2, fixture.Statistics.FailureCount(FailureReason.Canceled));
    }

    [Fact]
    public async Task SlowReader_OfAFailure_KeepsNobodyFromTheirEnd()
    {
        await using var fixture = Start(AtOnce);
        var busy = await HoldAsync(fixture);
        var (slowSink, slow) = Send(fixture, 1);
        var (sink, done) = Send(fixture, 2);
        slowSink.Room = new TaskCompletionSource();
        await busy();
        (await _instance.NextRunAsync()).Fail(new ArithmeticException("oops"));
        await done;
        Assert.False(slow.IsCompleted);
        Assert.Equal((InferenceCode.Internal, ResponseKind.Final), (sink.Entries.Single().Status, sink.Entries.Single().Kind));
        slowSink.Room.SetResult();
        await slow;
    }

    [Fact]
    public async Task Execution_Throws_FailsThoseWithoutAnEnd()
    {
        await using var fixture = Start(AtOnce);
        var busy = await HoldAsync(fixture);
        var (sink, done) = Send(fixture, 1);
        var (failedSink, failed) = Send(fixture, 2);
        await busy();
        var run = await _instance.NextRunAsync();
        await run.SendAsync(0, 10, isFinal: true);
        await done;
        await run.SendAsync(1, 20);
        run.Fail(InferenceException.Invalid("no"));
        await failed;
        Assert.Equal(10, sink.Entries.Single().Value);
        Assert.Equal([InferenceCode.Ok, InferenceCode.InvalidArgument], failedSink.Entries.Select(entry => entry.Status));
    }

    [Fact]
    public async Task FreeInstances_TakeOneExecutionTogether_NotARequestEach()
    {
        await using var fixture = Start(new DynamicBatchingSettings { MaxQueueDelayMicroseconds = 1000, PreferredBatchSizes = [2] });
        var added = new ManualStreamingGroupInstance();
        fixture.Scheduler.Add(added, Seat());
        var sent = new[] { 1, 2 }.Select(value => Send(fixture, value).Done).ToList();
        var run = await Task.WhenAny(_instance.NextRunAsync(), added.NextRunAsync()).Unwrap();
        Assert.Equal([1, 2], run.Values);
        await run.CompleteAsync();
        run.End();
        await Task.WhenAll(sent);
        Assert.Equal(1, fixture.Statistics.ExecutionCount);
    }

    [Fact]
    public async Task Remove_WhileAGroupFlows_WaitsForItsLastResponse()
    {
        await using var fixture = Start(AtOnce);
        var seat = Seat();
        fixture.Scheduler.Assign([seat]);
        var busy = await HoldAsync(fixture);
        var sent = new[] { 1, 2 }.Select(value => Send(fixture, value)).ToList();
        await busy();
        var run = await _instance.NextRunAsync();
        var added = new ManualStreamingGroupInstance();
        fixture.Scheduler.Add(added, Seat());
        fixture.Scheduler.Remove(seat);
        run.End();
        await run.SendAsync(0, 10, isFinal: true);
        await sent[0].Done;
        Assert.False(_instance.IsDisposed);
        await run.SendAsync(1, 20, isFinal: true);
        await sent[1].Done;
        await Eventually.TrueAsync(() => _instance.IsDisposed);
    }

    [Theory]
    [InlineData(true, 0)]
    [InlineData(false, 8)]
    public async Task Without_BatchesOfTheConfiguration_RequestsRunOneByOne(bool hasBatching, int maxBatchSize)
    {
        await using var fixture = Start(hasBatching ? AtOnce : null, maxBatchSize);
        var sent = Enumerable.Range(1, 3).Select(value => Send(fixture, maxBatchSize == 0 ? [1] : [1, 1], value).Done).ToList();
        for (var i = 1; i <= 3; i++)
        {
            var run = await _instance.NextRunAsync();
            Assert.Equal([i], run.Values);
            await run.CompleteAsync();
            run.End();
        }

        await Task.WhenAll(sent);
        Assert.Equal(3, fixture.Statistics.ExecutionCount);
    }

    [Fact]
    public async Task InstanceThatTakesNoGroups_GetsOneRequestAtATime()
    {
        await using var fixture = new DecoupledFixture(SettingsOf(new DynamicBatchingSettings { MaxQueueDelayMicroseconds = 1_000_000 }, 8, 1));
        var sent = Enumerable.Range(1, 2).Select(value => Send(fixture, value).Done).ToList();
        for (var i = 0; i < 2; i++)
        {
            var run = await fixture.Instance.NextRunAsync();
            await run.Responses.CompleteAsync();
            run.End();
        }

        await Task.WhenAll(sent);
        Assert.Equal(2, fixture.Statistics.ExecutionCount);
    }

    [Fact]
    public async Task Queue_Bound_CountsTheRequestsOfAGroupUnderWay()
    {
        await using var fixture = Start(AtOnce, options: new SchedulerOptions { MaxQueuedRequests = 3 });
        var busy = await HoldAsync(fixture);
        var sent = new[] { 1, 2 }.Select(value => Send(fixture, value)).ToList();
        await busy();
        var run = await _instance.NextRunAsync();
        run.End();
        await run.SendAsync(0, 10, isFinal: true);
        await sent[0].Done;
        var more = new[] { 3, 4 }.Select(value => Send(fixture, value).Done).ToList();
        var refused = Make(fixture, [1, 1], 5);
        await fixture.Send(refused);
        Assert.True(refused.IsRefused);
        await run.SendAsync(1, 20, isFinal: true);
        run = await _instance.NextRunAsync();
        for (var left = 2; ; run = await _instance.NextRunAsync())
        {
            left -= run.Requests.Count;
            await run.CompleteAsync();
            run.End();
            if (left == 0)
                break;
        }

        await Task.WhenAll(more);
    }

    private static InstanceSeat Seat() => new(new InstancePlacement("fake", InstanceKind.Cpu, 0), null, null);

    private static ModelSettings SettingsOf(DynamicBatchingSettings? batching, int maxBatchSize, long dims) =>
        TestRequests.Settings(batching, maxBatchSize) with
        {
            IsDecoupled = true,
            Inputs = [TestRequests.Tensor("IN", DataType.Int32, dims)],
            Outputs = [TestRequests.Tensor("OUT", DataType.Int32, 1)],
        };

    private static (FakeSink Sink, Task Done) Send(DecoupledFixture fixture, params int[] rows) => Send(fixture, [rows.Length, 1], rows);

    private static (FakeSink Sink, Task Done) Send(DecoupledFixture fixture, long[] shape, params int[] values)
    {
        var request = Make(fixture, shape, values);
        var sink = new FakeSink();
        request.Sink = sink;
        return (sink, fixture.Send(request));
    }

    private static InferRequest Make(DecoupledFixture fixture, long[] shape, params int[] values) =>
        fixture.Keep(TestRequests.Of(fixture.Settings, ("IN", DataType.Int32, shape, TestRequests.Bytes(values))));

    private DecoupledFixture Start(
        DynamicBatchingSettings? batching, int maxBatchSize = 8, long dims = 1, SchedulerOptions? options = null) =>
        new(SettingsOf(batching, maxBatchSize, dims), options, _instance);

    /// <summary>Has the instance busy with a request until the returned function is called.</summary>
    private async Task<Func<Task>> HoldAsync(DecoupledFixture fixture)
    {
        var (_, done) = Send(fixture, 0);
        var run = await _instance.NextRunAsync();
        return async () =>
        {
            await run.CompleteAsync();
            await done;
            run.End();
        };
    }

    /// <summary>Data that cannot be read any more.</summary>
    private sealed class LostMemory : MemoryManager<byte>
    {
        public override Memory<byte> Memory => CreateMemory(sizeof(int));

        public override Span<byte> GetSpan() => throw InferenceException.Invalid("the data is gone");

        public override MemoryHandle Pin(int elementIndex = 0) => throw InferenceException.Invalid("the data is gone");

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
