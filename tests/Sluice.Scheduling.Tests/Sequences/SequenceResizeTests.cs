using Sluice.Inference;
using Sluice.Scheduling.RateLimit;
using Sluice.Scheduling.Sequences;
using Sluice.Testing;
using static Sluice.Scheduling.Tests.SequenceFixture;

namespace Sluice.Scheduling.Tests;

/// <summary>Instances of a model with sequences come and go; a sequence stays where it is until it ends.</summary>
public sealed class SequenceResizeTests
{
    private static readonly OldestSettings One = new() { MaxCandidateSequences = 1 };

    [Fact]
    public async Task Add_SequencesThatWaitForASlot_BeginThere()
    {
        await using var fixture = new SequenceFixture(Model(Controls() with { Oldest = One }));
        var first = fixture.Send("1", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        var waiting = fixture.Send("2", 2, Start | End);
        Assert.Equal(1, fixture.WaitingCount);
        var added = Add(fixture);
        Assert.Equal(0, fixture.WaitingCount);
        var other = await added.NextRunAsync();
        Assert.Equal(2, Ints(other, 0)[0]);
        other.Finish();
        await waiting.Done;
        run.Finish();
        await first.Done;
    }

    [Fact]
    public async Task Add_WhereTheOrderIsPreserved_WhatBeganBeforeIsAnsweredFirst()
    {
        await using var fixture = new SequenceFixture(Model(Controls() with { Oldest = One with { PreserveOrdering = true } }));
        var first = fixture.Send("1", 1, Start | End);
        var run = await fixture.Instance.NextRunAsync();
        var second = fixture.Send("2", 2, Start | End);
        Assert.True(fixture.Batcher.CanResize);
        var added = Add(fixture);
        (await added.NextRunAsync()).Finish();
        var third = fixture.Send("3", 3, Start | End);
        (await added.NextRunAsync()).Finish(); // the second is done by now, and has not been answered
        Assert.False(second.Done.IsCompleted);
        run.Finish();
        await Task.WhenAll(first.Done, second.Done, third.Done);
    }

    [Fact]
    public async Task Remove_ASequenceThatHasBegun_EndsWhereItIs()
    {
        await using var fixture = new SequenceFixture(Model(Controls() with { Oldest = One }), instanceCount: 2);
        var seats = Assign(fixture);
        var (first, second) = (fixture.Send("1", 1, Start), fixture.Send("2", 2, Start | End));
        var run = await fixture.Instances[0].NextRunAsync();
        fixture.Batcher.Remove(seats[0]);
        Assert.Equal([seats[1]], fixture.Batcher.Seats);
        run.Finish();
        (await fixture.Instances[1].NextRunAsync()).Finish();
        await Task.WhenAll(first.Done, second.Done);
        Assert.False(fixture.Instances[0].IsDisposed);

        // What is new goes to the other one, and waits there rather than here.
        var (third, fourth) = (fixture.Send("3", 3, Start), fixture.Send("4", 4, Start | End));
        (await fixture.Instances[1].NextRunAsync()).Finish();
        await third.Done;
        var end = fixture.Send("1", 5, End);
        (await fixture.Instances[0].NextRunAsync()).Finish();
        await end.Done;
        await Eventually.TrueAsync(() => fixture.Instances[0].IsDisposed);
        Assert.False(fourth.Done.IsCompleted);
        var last = fixture.Send("3", 6, End);
        (await fixture.Instances[1].NextRunAsync()).Finish();
        (await fixture.Instances[1].NextRunAsync()).Finish();
        await Task.WhenAll(last.Done, fourth.Done);
        Assert.False(fixture.Instances[1].IsDisposed);
    }

    [Fact]
    public async Task Remove_ASequenceThatRests_LeavesWithItsIdleTime()
    {
        await using var fixture = new SequenceFixture(Model(Controls() with { Oldest = One, MaxIdleMicroseconds = 1000 }), instanceCount: 2);
        var seats = Assign(fixture);
        var (_, done) = fixture.Send("1", 1, Start);
        (await fixture.Instances[0].NextRunAsync()).Finish();
        await done;
        fixture.Batcher.Remove(seats[0]);
        fixture.Timer.Advance(900);
        var (next, nextDone) = fixture.Send("1", 2);
        (await fixture.Instances[0].NextRunAsync()).Finish();
        await nextDone;
        Assert.Equal(2, ValueOf(next));
        fixture.Timer.Advance(900);
        Assert.Equal(1, fixture.SequenceCount);
        fixture.Timer.Advance(101);
        Assert.Equal(0, fixture.SequenceCount);
        await Eventually.TrueAsync(() => fixture.Instances[0].IsDisposed);
    }

    [Fact]
    public async Task Remove_ASequenceWhoseCallerGoes_LeavesWithIt()
    {
        await using var fixture = new SequenceFixture(Model(Controls() with { Oldest = One }), instanceCount: 2);
        var seats = Assign(fixture);
        using var lifetime = new FakeLifetime();
        var first = fixture.Send(lifetime, "1", 1, Start);
        var run = await fixture.Instances[0].NextRunAsync();
        fixture.Batcher.Remove(seats[0]);
        lifetime.Cancel();
        run.Fail(new InferenceException(InferenceCode.Cancelled, "stopped"));
        await first.Done;
        await Eventually.TrueAsync(() => fixture.Instances[0].IsDisposed);
    }

    [Fact]
    public async Task Remove_WithoutSequences_GoesAtOnce_AndItsNumberIsUsedAgain()
    {
        await using var fixture = new SequenceFixture(Model(Controls() with { Oldest = One }), instanceCount: 2);
        var seats = Assign(fixture);
        fixture.Batcher.Remove(seats[0]);
        await Eventually.TrueAsync(() => fixture.Instances[0].IsDisposed);
        var added = Add(fixture);
        var steps = new[] { fixture.Send("1", 1, Start | End), fixture.Send("2", 2, Start | End) };
        var runs = new[] { await added.NextRunAsync(), await fixture.Instances[1].NextRunAsync() };
        Assert.Equal([1, 2], runs.Select(run => Ints(run, 0)[0]));
        foreach (var run in runs)
            run.Finish();
        await Task.WhenAll(steps.Select(step => step.Done));
    }

    [Fact]
    public async Task Add_SequencesWithRowsOfTheirOwn_KeepThem()
    {
        await using var fixture = new SequenceFixture(Model(Controls()));
        var first = Enumerable.Range(1, 3).Select(id => fixture.Send($"{id}", id, Start)).ToArray();
        for (var rows = 0; rows < 3;)
        {
            var started = await fixture.Instance.NextRunAsync();
            rows += Ints(started, 2).Sum();
            started.Finish();
        }

        await Task.WhenAll(first.Select(step => step.Done));
        var added = Add(fixture);
        var third = fixture.Send("3", 30);
        var run = await fixture.Instance.NextRunAsync();
        Assert.Equal([0, 0, 30], Ints(run, 0));
        run.Finish();
        await third.Done;
        var another = fixture.Send("4", 4, Start);
        run = await added.NextRunAsync();
        Assert.Equal([4], Ints(run, 0));
        run.Finish();
        await another.Done;
    }

    [Fact]
    public async Task Dispose_WhileAnInstanceIsLeaving_TakesItAlong()
    {
        var fixture = new SequenceFixture(Model(Controls() with { Oldest = One }), instanceCount: 2);
        var seats = Assign(fixture);
        var (_, done) = fixture.Send("1", 1, Start);
        (await fixture.Instances[0].NextRunAsync()).Finish();
        await done;
        fixture.Batcher.Remove(seats[0]);
        await fixture.DisposeAsync();
        Assert.All(fixture.Instances, instance => Assert.True(instance.IsDisposed));
    }

    /// <summary>The model keeps the sums itself, one table for each instance, so that a step at another one would be wrong.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Changes_UnderLoad_NoStepFailsOrGoesElsewhere(bool isDirect)
    {
        var settings = Model(isDirect ? Controls() : Controls() with { Oldest = new OldestSettings { MaxCandidateSequences = 3 } });
        await using var fixture = new SequenceFixture(settings, notesRenters: false);
        Summing(fixture.Instance);
        var seats = new Queue<InstanceSeat>(Assign(fixture));
        var instances = new List<ManualInstance>();
        var callers = Enumerable.Range(1, 12).Select(id => Task.Run(async () =>
        {
            for (var round = 0; round < 40; round++)
            {
                for (var step = 1; step <= 5; step++)
                {
                    InferRequest request;
                    lock (fixture)
                        request = fixture.Step($"{id}", id, step == 1 ? Start : step == 5 ? End : 0);
                    await fixture.Send(request);
                    Assert.Equal(("", id * step), (request.StatusMessage, request.IsOk ? ValueOf(request) : 0));
                }
            }
        })).ToArray();
        var random = new Random(7);
        while (!Array.TrueForAll(callers, caller => caller.IsCompleted))
        {
            if (seats.Count < 4 && (seats.Count == 1 || random.Next(2) == 0))
            {
                var instance = new ManualInstance();
                Summing(instance);
                instances.Add(instance);
                var seat = Seat();
                fixture.Batcher.Add(instance, seat);
                seats.Enqueue(seat);
            }
            else
            {
                fixture.Batcher.Remove(seats.Dequeue());
            }

            var served = fixture.Statistics.Success.Count;
            await Eventually.TrueAsync(() => fixture.Statistics.Success.Count > served + 10 || Array.TrueForAll(callers, caller => caller.IsCompleted));
        }

        await Task.WhenAll(callers);
        Assert.Equal(0, fixture.SequenceCount);
        await Eventually.TrueAsync(() => instances.Count(instance => !instance.IsDisposed) + (fixture.Instance.IsDisposed ? 0 : 1) == seats.Count);
    }

    /// <summary>Rows of the table are rows, columns are instances; letters are sequences, <c>.</c> is a free slot, <c>x</c> one of an instance that goes.</summary>
    [Theory]
    [InlineData("a slot for each row", "ab .c", -1, "ab. .c.", 2)]
    [InlineData("no slot was free", "ab cd", -1, "ab. cd.", 2)]
    [InlineData("an instance that goes gets none", "a. b.", 1, "ax. bx.", 2)]
    public void Grow_SlotsOfTheTable_KeepTheirRowAndInstance(string sentence, string before, int closed, string after, int free)
    {
        var rows = before.Split(' ');
        var slots = new SequenceSlots(rows[0].Length, rows.Length);
        var sequences = new Dictionary<char, Sequence>();
        for (var slot = 0; slot < before.Length - 1; slot++)
        {
            if (before.Replace(" ", "", StringComparison.Ordinal)[slot] is var letter and not '.')
                slots.Give(sequences[letter] = new Sequence(0), slot, now: slot);
        }

        if (closed >= 0)
            slots.Close(closed);
        slots.Open(rows[0].Length);
        var count = rows[0].Length + 1;
        var found = string.Join(' ', Enumerable.Range(0, rows.Length).Select(row => string.Concat(Enumerable.Range(0, count).Select(instance =>
            slots.At(instance, row) is { } sequence ? sequences.Single(pair => pair.Value == sequence).Key : slots.IsClosed(instance) ? 'x' : '.'))));
        Assert.Equal((sentence, after, free), (sentence, found, slots.FindFree()));
        Assert.All(sequences, pair => Assert.Equal(after.Replace(" ", "", StringComparison.Ordinal).IndexOf(pair.Key), pair.Value.Slot));
    }

    private static InstanceSeat Seat() => new(new InstancePlacement("fake", InstanceKind.Cpu, 0), null, null);

    private static InstanceSeat[] Assign(SequenceFixture fixture)
    {
        InstanceSeat[] seats = [.. fixture.Instances.Select(_ => Seat())];
        fixture.Batcher.Assign(seats);
        return seats;
    }

    private static ManualInstance Add(SequenceFixture fixture)
    {
        var instance = new ManualInstance();
        fixture.Batcher.Add(instance, Seat());
        return instance;
    }

    /// <summary>Adds up by the sequence's number.</summary>
    private static void Summing(ManualInstance instance)
    {
        var sums = new Dictionary<ulong, int>();
        instance.Automatic = run => run.Finish(r =>
        {
            var (values, starts, ready) = (Ints(r, 0), Ints(r, 1), Ints(r, 2));
            var ids = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(r.Input(4)).ToArray();
            for (var row = 0; row < values.Length; row++)
            {
                if (ready[row] == 1)
                    values[row] = sums[ids[row]] = values[row] + (starts[row] == 1 ? 0 : sums[ids[row]]);
            }

            r.SetOutput(0, r.Batch.Inputs[0].Shape.Dimensions, TestRequests.Bytes(values));
        });
    }
}
