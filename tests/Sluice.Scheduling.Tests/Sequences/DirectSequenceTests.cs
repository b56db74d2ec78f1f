using Sluice.Inference;
using Sluice.Tensors;
using static Sluice.Scheduling.Tests.SequenceFixture;

namespace Sluice.Scheduling.Tests;

/// <summary>Sequences with rows of their own: controls, rows, padding, delays (spec §3.5).</summary>
public sealed class DirectSequenceTests
{
    private const int StartInput = 1;
    private const int ReadyInput = 2;
    private const int EndInput = 3;
    private const int IdInput = 4;

    [Fact]
    public async Task Execute_OneSequence_TellsItsControlsAtEachStep()
    {
        await using var fixture = new SequenceFixture(Model(Controls()));
        foreach (var (flags, start, end) in new[] { (Start, 1, 0), (0, 0, 0), (End, 0, 1), (Start | End, 1, 1) })
        {
            var (request, done) = fixture.Send("42", 7, flags);
            var run = await fixture.Instance.NextRunAsync();
            Assert.Equal((1, start, 1, end), (run.Batch.RowCount, Ints(run, StartInput)[0], Ints(run, ReadyInput)[0], Ints(run, EndInput)[0]));
            Assert.Equal(42UL, BitConverter.ToUInt64(run.Input(IdInput)));
            Assert.Equal("[1,1]", run.Batch.Inputs[IdInput].Shape.ToString());
            run.Finish();
            await done;
            Assert.Equal(7, ValueOf(request));
        }

        Assert.Equal(0, fixture.SequenceCount);
        Assert.Equal((4L, 4L), (fixture.Statistics.Success.Count, fixture.Statistics.ExecutionCount));
    }

    [Theory]
    [InlineData(DataType.Int64, "7", new byte[] { 7, 0, 0, 0, 0, 0, 0, 0 })]
    [InlineData(DataType.UInt32, "7", new byte[] { 7, 0, 0, 0 })]
    [InlineData(DataType.Int32, "4294967298", new byte[] { 2, 0, 0, 0 })]
    [InlineData(DataType.Bytes, "größe", new byte[] { 7, 0, 0, 0, (byte)'g', (byte)'r', 0xc3, 0xb6, 0xc3, 0x9f, (byte)'e' })]
    public async Task Execute_IdOfAnyType_IsGivenAsTheModelWantsIt(DataType type, string id, byte[] expected)
    {
        await using var fixture = new SequenceFixture(Model(Controls(type)));
        var (_, done) = fixture.Send(id, 1, Start | End);
        var run = await fixture.Instance.NextRunAsync();
        Assert.Equal(expected, run.Input(IdInput));
        run.Finish();
        await done;
    }

    [Fact]
    public async Task Execute_WithoutBatches_ControlsHaveOneElementAndSequencesTakeTurns()
    {
        await using var fixture = new SequenceFixture(Model(Controls(), maxBatchSize: 0), keepsRowState: true);
        var first = fixture.Send("1", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        Assert.Equal("[1]", run.Batch.Inputs[StartInput].Shape.ToString());
        var waiting = fixture.Send("2", 2, Start | End);
        run.Finish();
        await first.Done;
        Assert.False(waiting.Done.IsCompleted);
        var last = fixture.Send("1", 3, End);
        (await fixture.Instance.NextRunAsync()).Finish();
        (await fixture.Instance.NextRunAsync()).Finish();
        await Task.WhenAll(last.Done, waiting.Done);
        Assert.Equal((3, 2), (ValueOf(last.Request), ValueOf(waiting.Request)));
    }

    [Fact]
    public async Task Execute_WithoutBatchesAndRowState_SequencesInterleaveAtOneInstance()
    {
        await using var fixture = new SequenceFixture(Model(Controls(), maxBatchSize: 0));
        fixture.Instance.Automatic = run => run.Finish();
        for (var i = 1; i <= 3; i++)
            Assert.Equal(i, await fixture.RunAsync($"{i}", i, Start));
        for (var i = 1; i <= 3; i++)
            Assert.Equal(10 * i, await fixture.RunAsync($"{i}", 10 * i, End));
        Assert.Equal(0, fixture.SequenceCount);
    }

    [Fact]
    public async Task Execute_SequencesInterleaved_StayInTheirRows()
    {
        await using var fixture = new SequenceFixture(Model(Controls()));
        var a = fixture.Send("1", 10, Start);
        var run = await fixture.Instance.NextRunAsync();
        var (b, c) = (fixture.Send("2", 20, Start), fixture.Send("3", 30, Start));
        run.Finish();
        run = await fixture.Instance.NextRunAsync();

        // The first row has no request now: zeros, not ready, not starting, no id.
        Assert.Equal([0, 20, 30], Ints(run, 0));
        Assert.Equal([0, 1, 1], Ints(run, StartInput));
        Assert.Equal([0, 1, 1], Ints(run, ReadyInput));
        Assert.Equal([0, 0, 0], Ints(run, EndInput));
        Assert.Equal(new ulong[] { 0, 2, 3 }, System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(run.Input(IdInput)).ToArray());
        var (a2, c2) = (fixture.Send("1", 11), fixture.Send("3", 31, End));
        run.Finish();
        await Task.WhenAll(a.Done, b.Done, c.Done);
        Assert.Equal((20, 30), (ValueOf(b.Request), ValueOf(c.Request)));
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal([11, 0, 31], Ints(run, 0));
        Assert.Equal([1, 0, 1], Ints(run, ReadyInput));
        run.Finish();
        await Task.WhenAll(a2.Done, c2.Done);
        Assert.Equal((11, 31), (ValueOf(a2.Request), ValueOf(c2.Request)));

        // Filled rows are no inferences.
        Assert.Equal((5L, 5L, 3L), (fixture.Statistics.InferenceCount, fixture.Statistics.Success.Count, fixture.Statistics.ExecutionCount));
        Assert.Equal(2, fixture.SequenceCount);
    }

    [Fact]
    public async Task Execute_StepsOfOneSequence_RunOneByOneInOrder()
    {
        await using var fixture = new SequenceFixture(Model(Controls()));
        var steps = Enumerable.Range(0, 5).Select(i => fixture.Send("1", i, i == 0 ? Start : i == 4 ? End : 0)).ToArray();
        for (var i = 0; i < 5; i++)
        {
            var run = await fixture.Instance.NextRunAsync();
            Assert.Equal([i], Ints(run, 0));
            run.Finish();
        }

        await Task.WhenAll(steps.Select(step => step.Done));
        Assert.Equal([0, 1, 2, 3, 4], steps.Select(step => ValueOf(step.Request)));
    }

    [Fact]
    public async Task Execute_MoreSequencesThanSlots_WaitForASlotInOrder()
    {
        await using var fixture = new SequenceFixture(Model(Controls(), maxBatchSize: 1));
        var first = fixture.Send("1", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        var second = new[] { fixture.Send("2", 20, Start), fixture.Send("2", 21, End) };
        var third = fixture.Send("3", 30, Start | End);
        Assert.Equal(new SequenceFigures(3, 2), fixture.Batcher.Sequences);
        run.Finish();
        await first.Done;
        var last = fixture.Send("1", 2, End);
        foreach (var expected in new[] { 2, 20, 21, 30 })
        {
            run = await fixture.Instance.NextRunAsync();
            Assert.Equal([expected], Ints(run, 0));
            run.Finish();
        }

        await Task.WhenAll(last.Done, second[0].Done, second[1].Done, third.Done);
    }

    [Fact]
    public async Task Execute_TwoInstances_NewSequencesSpreadAndStay()
    {
        await using var fixture = new SequenceFixture(Model(Controls(), maxBatchSize: 2), instanceCount: 2);
        var (a, b) = (fixture.Send("1", 1, Start), fixture.Send("2", 2, Start));
        var runs = (First: await fixture.Instances[0].NextRunAsync(), Second: await fixture.Instances[1].NextRunAsync());
        Assert.Equal([1], Ints(runs.First, 0));
        Assert.Equal([2], Ints(runs.Second, 0));
        runs.First.Finish();
        await a.Done;
        var again = fixture.Send("2", 3, End);
        runs.Second.Finish();
        var run = await fixture.Instances[1].NextRunAsync();
        Assert.Equal([3], Ints(run, 0));
        run.Finish();
        await Task.WhenAll(b.Done, again.Done);
    }

    [Fact]
    public async Task Execute_MinimumUtilization_WaitsForRowsOrTheDelay()
    {
        var sequence = Controls() with { MaxQueueDelayMicroseconds = 100, MinimumSlotUtilization = 0.5f };
        await using var fixture = new SequenceFixture(Model(sequence));
        var (a, b) = (fixture.Send("1", 1, Start), default((InferRequest, Task Done)));
        Assert.Empty(fixture.Instance.RowCounts);
        b = fixture.Send("2", 2, Start);
        var run = await fixture.Instance.NextRunAsync();
        Assert.Equal(2, run.Batch.RowCount);
        run.Finish();
        await Task.WhenAll(a.Done, b.Done);
        var late = fixture.Send("1", 3);
        fixture.Timer.Advance(99);
        Assert.Single(fixture.Instance.RowCounts);
        fixture.Timer.Advance(2);
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal(1, run.Batch.RowCount);
        run.Finish();
        await late.Done;
        Assert.Equal(1, fixture.Statistics.CutCount(BatchCutReason.DelayReached));
    }

    [Fact]
    public async Task Execute_OtherShapes_WaitForTheNextBatchInTheirRows()
    {
        await using var fixture = new SequenceFixture(Model(Controls(), width: -1));
        var a = fixture.Send("1", 1, Start, 1, 2);
        var run = await fixture.Instance.NextRunAsync();
        var (b, c) = (fixture.Send("2", 2, Start, 1, 3), fixture.Send("3", 3, Start, 1, 2));
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal([0, 0, 0, 2, 2, 2], Ints(run, 0));
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal([0, 0, 0, 0, 3, 3], Ints(run, 0));
        Assert.Equal([0, 0, 1], Ints(run, ReadyInput));
        run.Finish();
        await Task.WhenAll(a.Done, b.Done, c.Done);
    }

    [Fact]
    public async Task Execute_BatchFails_FailsItsRequestsAndIsNotRunAgain()
    {
        await using var fixture = new SequenceFixture(Model(Controls()));
        var a = fixture.Send("1", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        var (b, c) = (fixture.Send("2", 2, Start), fixture.Send("3", 3, Start));
        run.Finish();
        (await fixture.Instance.NextRunAsync()).Fail(new InferenceException(InferenceCode.Internal, "broken"));
        await Task.WhenAll(a.Done, b.Done, c.Done);
        Assert.Equal((InferenceCode.Internal, "broken"), (b.Request.Status, c.Request.StatusMessage));
        Assert.Equal(2, fixture.Instance.RowCounts.Count);
        Assert.Equal(2, fixture.Statistics.FailureCount(FailureReason.Backend));
        var next = fixture.Send("2", 4, End);
        (await fixture.Instance.NextRunAsync()).Finish();
        await next.Done;
        Assert.True(next.Request.IsOk);
    }
}
