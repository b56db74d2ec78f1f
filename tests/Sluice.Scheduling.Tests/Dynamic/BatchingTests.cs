using System.Text;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Scheduling.Tests;

/// <summary>Which requests the scheduler runs together, and when.</summary>
public sealed class BatchingTests
{
    private static readonly DynamicBatchingSettings NoDelay = new();

    private static DynamicBatchingSettings Delay(params int[] preferred) =>
        new() { MaxQueueDelayMicroseconds = 100, PreferredBatchSizes = [.. preferred] };

    [Fact]
    public async Task Execute_WhileTheInstanceIsBusy_TheNextBatchGrows()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(NoDelay));
        var (first, firstDone, run) = await fixture.SendAndStart(1);
        var others = new[] { fixture.Rows(2), fixture.Rows(3, 4), fixture.Rows(5) };
        var done = Array.ConvertAll(others, fixture.Send);
        Assert.Equal(3, fixture.Statistics.PendingCount);
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal(TestRequests.Bytes(2, 2, 3, 3, 4, 4, 5, 5), run.Input(0));
        run.Finish();
        await Task.WhenAll([firstDone, .. done]);
        Assert.Equal([1], TestRequests.RowsOf(first));
        Assert.Equal([2], TestRequests.RowsOf(others[0]));
        Assert.Equal([3, 4], TestRequests.RowsOf(others[1]));
        Assert.Equal([5], TestRequests.RowsOf(others[2]));
        Assert.Equal([1, 4], fixture.Instance.RowCounts);
        Assert.Equal(0, fixture.Statistics.PendingCount);
        Assert.Equal(2, fixture.Statistics.ExecutionCount);
        Assert.Equal(5, fixture.Statistics.InferenceCount);
        Assert.Equal(4, fixture.Statistics.Success.Count);
        Assert.Equal(2, fixture.Statistics.CutCount(BatchCutReason.InstanceFree));
    }

    [Fact]
    public async Task Execute_ModelWithoutDynamicBatching_RunsOneRequestAtATimeInOrder()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings());
        var (_, done, run) = await fixture.SendAndStart(1);
        var (second, third) = (fixture.Send(fixture.Rows(2)), fixture.Send(fixture.Rows(3)));
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal(TestRequests.Bytes(2, 2), run.Input(0));
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal(TestRequests.Bytes(3, 3), run.Input(0));
        run.Finish();
        await Task.WhenAll(done, second, third);
    }

    [Fact]
    public async Task Execute_NoRows_IsRunToo()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(NoDelay));
        var (request, done, run) = await fixture.SendAndStart();
        run.Finish();
        await done;
        Assert.True(request.IsOk, request.StatusMessage);
        Assert.Empty(TestRequests.RowsOf(request));
    }

    [Fact]
    public async Task Execute_MoreThanABatchWaits_IsCutAtTheMaximum()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(NoDelay, maxBatchSize: 3));
        var (_, done, run) = await fixture.SendAndStart(0);
        var others = Enumerable.Range(1, 5).Select(i => fixture.Send(fixture.Rows(i))).ToArray();
        run.Finish();
        (await fixture.Instance.NextRunAsync()).Finish();
        (await fixture.Instance.NextRunAsync()).Finish();
        await Task.WhenAll([done, .. others]);
        Assert.Equal([1, 3, 2], fixture.Instance.RowCounts);
        Assert.Equal(1, fixture.Statistics.CutCount(BatchCutReason.SizeReached));
    }

    [Fact]
    public async Task Execute_WithADelay_WaitsThatLongForCompanyAndNoLonger()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(Delay()));
        var first = fixture.Send(fixture.Rows(1));
        Assert.Equal(fixture.Timer.Now + ManualDelayTimer.Ticks(100), fixture.Timer.DueAt);
        fixture.Timer.Advance(60);
        var second = fixture.Send(fixture.Rows(2));
        fixture.Timer.Advance(40);
        var run = await fixture.Instance.NextRunAsync();
        Assert.Equal(2, run.Batch.RowCount);
        run.Finish();
        await Task.WhenAll(first, second);
        Assert.Equal(1, fixture.Statistics.CutCount(BatchCutReason.DelayReached));
    }

    [Fact]
    public async Task BatchWait_IsTheTimeThatAFreeInstanceWaitedFor_AndNoOther()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(Delay()));
        var first = fixture.Send(fixture.Rows(1));
        fixture.Timer.Advance(60);
        var second = fixture.Send(fixture.Rows(2));
        fixture.Timer.Advance(40);
        var run = await fixture.Instance.NextRunAsync();
        var waits = fixture.Statistics.BatchWaitLatency!;
        Assert.Equal((2, 140_000), (waits.Count, waits.SumNanoseconds));

        // Waiting for a busy instance is the queue's time, not the batch's.
        var third = fixture.Send(fixture.Rows(3));
        fixture.Timer.Advance(500);
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        run.Finish();
        await Task.WhenAll(first, second, third);
        Assert.Equal((3, 140_000), (waits.Count, waits.SumNanoseconds));
    }

    [Fact]
    public async Task Execute_PreferredSizeReached_DoesNotWaitForTheDelay()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(Delay(2, 4)));
        var first = fixture.Send(fixture.Rows(1));
        var second = fixture.Send(fixture.Rows(2));
        var run = await fixture.Instance.NextRunAsync();
        Assert.Equal(2, run.Batch.RowCount);
        run.Finish();
        await Task.WhenAll(first, second);
        Assert.Equal(1, fixture.Statistics.CutCount(BatchCutReason.SizeReached));
    }

    [Fact]
    public async Task Execute_TwoShapes_DoNotShareABatch()
    {
        var settings = TestRequests.Settings(NoDelay) with
        {
            Inputs = [TestRequests.Tensor("IN", DataType.Int32, -1)],
            Outputs = [TestRequests.Tensor("OUT", DataType.Int32, -1)],
        };
        await using var fixture = new BatcherFixture(settings);
        var (_, done, run) = await fixture.SendAndStart(0);
        var others = new[] { 2, 2, 3, 3, 2 }
            .Select(width => fixture.Keep(TestRequests.Of(settings, ("IN", DataType.Int32, [1, width], new byte[width * 4]))))
            .ToArray();
        var tasks = Array.ConvertAll(others, fixture.Send);
        run.Finish();
        for (var i = 0; i < 3; i++)
            (await fixture.Instance.NextRunAsync()).Finish();
        await Task.WhenAll([done, .. tasks]);
        Assert.Equal([1, 2, 2, 1], fixture.Instance.RowCounts);
        Assert.Equal(2, fixture.Statistics.CutCount(BatchCutReason.ShapeChanged));
    }

    [Fact]
    public async Task Execute_OptionalInputs_OnlyEqualSetsShareABatch()
    {
        var settings = TestRequests.Settings(NoDelay) with
        {
            Inputs =
            [
                TestRequests.Tensor("IN", DataType.Int32, 2),
                TestRequests.Tensor("MAYBE", DataType.Int32, 1) with { IsOptional = true },
            ],
        };
        await using var fixture = new BatcherFixture(settings);
        var (_, done, run) = await fixture.SendAndStart(0);
        Assert.Null(run.Input(1));
        InferRequest With(int value) => fixture.Keep(TestRequests.Of(
            settings, ("MAYBE", DataType.Int32, [1, 1], TestRequests.Bytes(value)),
            ("IN", DataType.Int32, [1, 2], TestRequests.Bytes(value, value))));
        var tasks = new[] { fixture.Send(fixture.Rows(1)), fixture.Send(With(2)), fixture.Send(With(3)), fixture.Send(fixture.Rows(4)) };
        run.Finish();
        (await fixture.Instance.NextRunAsync()).Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal(TestRequests.Bytes(2, 3), run.Input(1));
        Assert.Equal(TestRequests.Bytes(2, 2, 3, 3), run.Input(0));
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Null(run.Input(1));
        run.Finish();
        await Task.WhenAll([done, .. tasks]);
        Assert.Equal([1, 1, 2, 1], fixture.Instance.RowCounts);
    }

    [Fact]
    public async Task Execute_PriorityWithADelay_TheOldestStillGoesInTime()
    {
        await using var fixture = new BatcherFixture(
            TestRequests.Settings(Delay() with { PriorityLevels = 2, DefaultPriorityLevel = 2 }));
        var low = fixture.Send(fixture.Rows(1));
        fixture.Timer.Advance(60);
        var urgentRequest = fixture.Rows(2);
        urgentRequest.Priority = 1;
        var urgent = fixture.Send(urgentRequest);
        fixture.Timer.Advance(40);
        var run = await fixture.Instance.NextRunAsync();
        Assert.Equal(TestRequests.Bytes(2, 2, 1, 1), run.Input(0));
        run.Finish();
        await Task.WhenAll(low, urgent);
    }

    [Fact]
    public async Task Execute_DelayOverWhileTheInstanceWasBusyInline_GoesRightAfter()
    {
        // A request of a preferred size runs inline; one below it waits, and its delay ends during that run.
        await using var fixture = new BatcherFixture(TestRequests.Settings(Delay(2)), options: new SchedulerOptions());
        fixture.Instance.Automatic = run => run.Finish();
        await fixture.Send(fixture.Rows(1, 2));
        fixture.Instance.Automatic = null;
        var large = fixture.Send(fixture.Rows(3, 4));
        var run = await fixture.Instance.NextRunAsync();
        var small = fixture.Send(fixture.Rows(5));
        fixture.Timer.Advance(100);
        run.Finish();
        (await fixture.Instance.NextRunAsync()).Finish();
        await Task.WhenAll(large, small);
    }

    [Fact]
    public async Task Execute_TwoInstances_RunAtTheSameTime()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(NoDelay), instanceCount: 2);
        var first = fixture.Send(fixture.Rows(1));
        var runs = Array.ConvertAll(fixture.Instances, instance => instance.NextRunAsync());
        var one = await Task.WhenAny(runs);
        var second = fixture.Send(fixture.Rows(2));
        await Task.WhenAll(runs);
        foreach (var run in runs)
            (await run).Finish();
        await Task.WhenAll(first, second);
    }

    [Fact]
    public async Task Execute_PreserveOrdering_AnswersInOrderThoughTheSecondIsDoneFirst()
    {
        await using var fixture = new BatcherFixture(
            TestRequests.Settings(new DynamicBatchingSettings { PreserveOrdering = true }), instanceCount: 2);
        var first = fixture.Send(fixture.Rows(1));
        var starts = Array.ConvertAll(fixture.Instances, instance => instance.NextRunAsync());
        var firstRun = await await Task.WhenAny(starts);
        var second = fixture.Send(fixture.Rows(2));
        var secondRun = (await Task.WhenAll(starts)).Single(run => run != firstRun);

        // Finish goes through to the completion on this thread, so a wrong order would show at once.
        secondRun.Finish();
        Assert.False(second.IsCompleted);
        Assert.False(first.IsCompleted);
        firstRun.Finish();
        await Task.WhenAll(first, second);
    }

    [Fact]
    public async Task Hold_UntilRequestsWait_BeginsWithAllOfThem()
    {
        var options = new SchedulerOptions { HoldUntilQueued = 3 };
        await using var fixture = new BatcherFixture(TestRequests.Settings(new DynamicBatchingSettings()), options: options);
        var requests = new[] { fixture.Send(fixture.Rows(1)), fixture.Send(fixture.Rows(2)) };
        Assert.Empty(fixture.Instance.RowCounts);
        var last = fixture.Send(fixture.Rows(3));
        var run = await fixture.Instance.NextRunAsync();
        Assert.Equal(3, run.Batch.RowCount);
        run.Finish();
        await Task.WhenAll([.. requests, last]);
    }

    [Fact]
    public async Task Execute_PreserveOrderingOfAModelThatBecameCheap_GoesOnAfterItsTurn()
    {
        var options = new SchedulerOptions { InlineLimit = TimeSpan.FromSeconds(10) };
        await using var fixture = new BatcherFixture(
            TestRequests.Settings(new DynamicBatchingSettings { PreserveOrdering = true }, maxBatchSize: 1), instanceCount: 2, options);
        foreach (var instance in fixture.Instances)
            instance.Automatic = run => run.Finish();
        var requests = Enumerable.Range(0, 500).Select(i => fixture.Rows(i)).ToArray();
        await Task.WhenAll(requests.Select(fixture.Send));
        Assert.All(requests, request => Assert.True(request.IsOk));
    }

    [Fact]
    public async Task Execute_Strings_AreSplitByRows()
    {
        var settings = TestRequests.Settings(NoDelay) with
        {
            Inputs = [TestRequests.Tensor("IN", DataType.Bytes, 2)],
            Outputs = [TestRequests.Tensor("OUT", DataType.Bytes, 2)],
        };
        await using var fixture = new BatcherFixture(settings);
        InferRequest Of(long rows, params string[] values) =>
            fixture.Keep(TestRequests.Of(settings, ("IN", DataType.Bytes, [rows, 2], TestRequests.Strings(values))));
        var first = fixture.Send(Of(1, "a", "b"));
        var run = await fixture.Instance.NextRunAsync();
        var requests = new[] { Of(1, "", "größe"), Of(0), Of(2, "x", "yy", "zzz", ""), Of(1, "last", "one") };
        var tasks = Array.ConvertAll(requests, fixture.Send);
        run.Finish();
        (await fixture.Instance.NextRunAsync()).Finish();
        await Task.WhenAll([first, .. tasks]);
        Assert.Equal([1, 4], fixture.Instance.RowCounts);
        Assert.All(requests, request => Assert.True(request.IsOk, request.StatusMessage));
        Assert.Equal(TestRequests.Strings("", "größe"), requests[0].Outputs[0].Data.ToArray());
        Assert.Equal(0, requests[1].Outputs[0].Length);
        Assert.Equal(Shape.Create([0, 2]), requests[1].Outputs[0].Shape);
        Assert.Equal(TestRequests.Strings("x", "yy", "zzz", ""), requests[2].Outputs[0].Data.ToArray());
        Assert.Equal(Shape.Create([2, 2]), requests[2].Outputs[0].Shape);
        Assert.Equal("last", Encoding.UTF8.GetString(requests[3].Outputs[0].Data.Slice(4, 4)));
    }

    [Fact]
    public async Task Execute_BatchOfNoRows_IsAnswered()
    {
        await using var fixture = new BatcherFixture(TestRequests.Settings(NoDelay));
        var (_, done, run) = await fixture.SendAndStart(1);
        var (a, b) = (fixture.Rows(), fixture.Rows());
        var tasks = new[] { fixture.Send(a), fixture.Send(b) };
        run.Finish();
        (await fixture.Instance.NextRunAsync()).Finish();
        await Task.WhenAll([done, .. tasks]);
        Assert.All([a, b], request => Assert.True(request.IsOk, request.StatusMessage));
        Assert.Equal(Shape.Create([0, 2]), a.Outputs[0].Shape);
    }

    [Fact]
    public async Task Execute_Reshape_TheEngineSeesOneShapeAndTheClientTheOther()
    {
        var settings = TestRequests.Settings(NoDelay) with
        {
            Inputs = [TestRequests.Tensor("IN", DataType.Int32, 1, -1) with { Reshape = [-1] }],
            Outputs = [TestRequests.Tensor("OUT", DataType.Int32, -1, 1) with { Reshape = [-1] }],
        };
        await using var fixture = new BatcherFixture(settings);
        InferRequest Of(params int[] values) => fixture.Keep(
            TestRequests.Of(settings, ("IN", DataType.Int32, [1, 1, values.Length], TestRequests.Bytes(values))));
        var (single, a, b) = (Of(1, 2, 3), Of(4, 5, 6), Of(7, 8, 9));
        var done = fixture.Send(single);
        var run = await fixture.Instance.NextRunAsync();
        Assert.Equal(Shape.Create([1, 3]), run.Batch.Inputs[0].Shape);
        var tasks = new[] { fixture.Send(a), fixture.Send(b) };
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal(Shape.Create([2, 3]), run.Batch.Inputs[0].Shape);
        run.Finish();
        await Task.WhenAll([done, .. tasks]);
        Assert.Equal(Shape.Create([1, 3, 1]), single.Outputs[0].Shape);
        Assert.Equal(Shape.Create([1, 3, 1]), b.Outputs[0].Shape);
        Assert.Equal(TestRequests.Bytes(7, 8, 9), b.Outputs[0].Data.ToArray());
    }

    [Fact]
    public async Task Execute_DifferentRequestedOutputs_EachGetsItsOwn()
    {
        var settings = TestRequests.Settings(NoDelay) with
        {
            Inputs = [TestRequests.Tensor("A", DataType.Int32, 1), TestRequests.Tensor("B", DataType.Int32, 1)],
            Outputs = [TestRequests.Tensor("X", DataType.Int32, 1), TestRequests.Tensor("Y", DataType.Int32, 1)],
        };
        await using var fixture = new BatcherFixture(settings);
        InferRequest Of(int value, params string[] outputs)
        {
            var request = new InferRequest();
            foreach (var name in outputs)
                request.AddRequestedOutput().Name = request.AddText(Encoding.UTF8.GetBytes(name));
            TestRequests.AddAndBind(
                request, settings, ("A", DataType.Int32, [1, 1], TestRequests.Bytes(value)),
                ("B", DataType.Int32, [1, 1], TestRequests.Bytes(-value)));
            return fixture.Keep(request);
        }

        var requests = new[] { Of(1, "Y"), Of(2, "X"), Of(3), Of(4, "Y", "X") };
        var done = fixture.Send(requests[0]);
        var run = await fixture.Instance.NextRunAsync();
        Assert.False(run.Batch.IsRequested(0));
        var tasks = requests[1..].Select(fixture.Send).ToArray();
        run.Finish();
        (await fixture.Instance.NextRunAsync()).Finish();
        await Task.WhenAll([done, .. tasks]);
        Assert.Equal([(1, -1)], Values(requests[0]));
        Assert.Equal([(0, 2)], Values(requests[1]));
        Assert.Equal([(0, 3), (1, -3)], Values(requests[2]));
        Assert.Equal([(0, 4), (1, -4)], Values(requests[3]));

        static (int, int)[] Values(InferRequest request) =>
            [.. request.Outputs.ToArray().Select(output => (output.Index, BitConverter.ToInt32(output.Data)))];
    }
}
