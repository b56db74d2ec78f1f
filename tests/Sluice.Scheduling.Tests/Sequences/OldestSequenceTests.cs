using Sluice.Inference;
using static Sluice.Scheduling.Tests.SequenceFixture;

namespace Sluice.Scheduling.Tests;

/// <summary>Batches of the oldest ready steps, one of each sequence at most (spec §3.5).</summary>
public sealed class OldestSequenceTests
{
    [Fact]
    public async Task Execute_ReadyStepsOfSeveralSequences_ShareABatchWithoutPadding()
    {
        await using var fixture = new SequenceFixture(Model(Oldest(new OldestSettings { MaxCandidateSequences = 8 })));
        var a = fixture.Send("1", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        var steps = new[] { ("1", 2, 0), ("2", 10, Start), ("2", 11, 0), ("3", 20, Start | End), ("1", 3, End) }
            .Select(step => fixture.Send(step.Item1, step.Item2, step.Item3)).ToArray();
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal([10, 20, 2], Ints(run, 0));
        Assert.Equal(new ulong[] { 2, 3, 1 }, System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(run.Input(4)).ToArray());
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal([11, 3], Ints(run, 0).Order().Reverse());
        run.Finish();
        await Task.WhenAll([a.Done, .. steps.Select(step => step.Done)]);
        Assert.Equal([2, 10, 11, 20, 3], steps.Select(step => ValueOf(step.Request)));
        Assert.Equal(1, fixture.SequenceCount);
    }

    [Fact]
    public async Task Execute_ScalarInput_WithoutBatches_IsServed()
    {
        var settings = Model(Oldest(new OldestSettings()), maxBatchSize: 0) with
        {
            Inputs = [TestRequests.Tensor("IN", Tensors.DataType.Int32, -1), TestRequests.Tensor("RATE")],
        };
        await using var fixture = new SequenceFixture(settings);
        var request = new InferRequest { SequenceId = 1, IsSequenceStart = true };
        TestRequests.AddAndBind(
            request, settings, ("IN", Tensors.DataType.Int32, [1], TestRequests.Bytes(5)), ("RATE", Tensors.DataType.Int32, [], TestRequests.Bytes(16000)));
        var done = fixture.Batcher.ExecuteAsync(request).AsTask();
        (await fixture.Instance.NextRunAsync()).Finish();
        await done.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.True(request.IsOk, request.StatusMessage);
        request.Reset();
    }

    [Fact]
    public async Task Execute_MoreSequencesThanCandidates_Wait()
    {
        await using var fixture = new SequenceFixture(Model(Oldest(new OldestSettings { MaxCandidateSequences = 2 })));
        var a = fixture.Send("1", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        var (b, c) = (fixture.Send("2", 2, Start), fixture.Send("3", 3, Start | End));
        run.Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal([2], Ints(run, 0));
        var end = fixture.Send("1", 4, End);
        run.Finish();
        (await fixture.Instance.NextRunAsync()).Finish();
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal([3], Ints(run, 0));
        run.Finish();
        await Task.WhenAll(a.Done, b.Done, c.Done, end.Done);
    }

    [Fact]
    public async Task Execute_PreferredSizeWithDelay_WaitsForCompany()
    {
        await using var fixture = new SequenceFixture(Model(Oldest(new OldestSettings
        {
            MaxCandidateSequences = 4,
            PreferredBatchSizes = [2],
            MaxQueueDelayMicroseconds = 100,
        })));
        var a = fixture.Send("1", 1, Start);
        var more = fixture.Send("1", 2, End);
        Assert.Empty(fixture.Instance.RowCounts);
        var b = fixture.Send("2", 3, Start | End);
        var run = await fixture.Instance.NextRunAsync();
        Assert.Equal([1, 3], Ints(run, 0));
        run.Finish();
        await Task.WhenAll(a.Done, b.Done);
        fixture.Timer.Advance(101);
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal([2], Ints(run, 0));
        run.Finish();
        await more.Done;
        Assert.Equal((1L, 1L), (fixture.Statistics.CutCount(BatchCutReason.SizeReached), fixture.Statistics.CutCount(BatchCutReason.DelayReached)));
    }

    [Fact]
    public async Task Execute_PreserveOrdering_AnswersInTheOrderOfBatches()
    {
        await using var fixture = new SequenceFixture(
            Model(Oldest(new OldestSettings { MaxCandidateSequences = 2, PreserveOrdering = true })), instanceCount: 2);
        var (a, b) = (fixture.Send("1", 1, Start | End), fixture.Send("2", 2, Start | End));
        var runs = (First: await fixture.Instances[0].NextRunAsync(), Second: await fixture.Instances[1].NextRunAsync());
        var (firstCut, secondCut) = Ints(runs.First, 0)[0] == 1 ? (a, b) : (b, a);

        // Which instance cuts first is not ours to say, so the one that is done first must wait for the other or be it.
        runs.Second.Finish();
        runs.First.Finish();
        await Task.WhenAll(firstCut.Done, secondCut.Done);
        Assert.Equal((1, 2), (ValueOf(a.Request), ValueOf(b.Request)));
    }

    [Fact]
    public async Task Execute_ManySequencesAtOnce_KeepTheirOrderAndTheirSums()
    {
        var settings = Model(Oldest(new OldestSettings { MaxCandidateSequences = 3 }) with { Controls = [], States = [State("", 1)] });
        await using var fixture = new SequenceFixture(settings, instanceCount: 2);
        fixture.Accumulate();
        await Task.WhenAll(Enumerable.Range(1, 20).Select(async id =>
        {
            var steps = Enumerable.Range(0, 25).Select(i => fixture.Send($"{id}", id, i == 0 ? Start : i == 24 ? End : 0)).ToArray();
            await Task.WhenAll(steps.Select(step => step.Done));
            Assert.Equal(Enumerable.Range(1, 25).Select(i => i * id), steps.Select(step => ValueOf(step.Request)));
        }));
        Assert.Equal(0, fixture.SequenceCount);
        Assert.Equal(500, fixture.Statistics.InferenceCount);
    }

    private static SequenceSettings Oldest(OldestSettings oldest) => Controls() with { Oldest = oldest };
}
