using Sluice.Inference;
using Sluice.Scheduling.RateLimit;
using Sluice.Testing;

namespace Sluice.Scheduling.Tests;

/// <summary>Instances come and go of a model that answers in the order in which requests came.</summary>
public sealed class OrderedResizeTests
{
    private static readonly ModelSettings Ordered = TestRequests.Settings(new DynamicBatchingSettings { PreserveOrdering = true }, maxBatchSize: 1);

    [Fact]
    public async Task Add_WhileTheOnlyInstanceRuns_BeginsAtOnce_AndIsAnsweredBehindThatBatch()
    {
        await using var fixture = new BatcherFixture(Ordered);
        var (_, first, run) = await fixture.SendAndStart(1);
        var added = new ManualInstance();
        fixture.Batcher.Add(added, Seat());
        var second = fixture.Send(fixture.Rows(2));
        (await added.NextRunAsync()).Finish();
        var third = fixture.Send(fixture.Rows(3));
        (await added.NextRunAsync()).Finish();
        Assert.False(first.IsCompleted || second.IsCompleted || third.IsCompleted);
        run.Finish();
        await Task.WhenAll(first, second, third);
    }

    /// <summary>What runs on its caller's thread is answered there.</summary>
    [Fact]
    public async Task Add_WhileTheOnlyInstanceRunsOnItsCallersThread_BeginsBehindThatBatch_AndInOrderFromThen()
    {
        await using var fixture = new BatcherFixture(Ordered, options: new SchedulerOptions { QuietTime = TimeSpan.Zero });
        fixture.Instance.Automatic = run => run.Finish();
        for (var i = 0; i < 50; i++)
            await fixture.Send(fixture.Rows(i));
        fixture.Instance.Automatic = null;
        var request = fixture.Rows(1);
        var first = Task.Run(() => fixture.Send(request));
        var run = await fixture.Instance.NextRunAsync();
        var added = new ManualInstance();
        fixture.Batcher.Add(added, Seat());
        var (second, third) = (fixture.Send(fixture.Rows(2)), fixture.Send(fixture.Rows(3)));
        Assert.Empty(added.RowCounts);
        run.Finish();
        await first;
        var runs = new[] { await fixture.Instance.NextRunAsync(), await added.NextRunAsync() }.OrderBy(r => SequenceFixture.Ints(r, 0)[0]).ToArray();
        Assert.Equal([2, 3], runs.Select(r => SequenceFixture.Ints(r, 0)[0]));
        runs[1].Finish();
        Assert.False(third.IsCompleted);
        runs[0].Finish();
        await Task.WhenAll(second, third);
    }

    [Fact]
    public async Task Add_ToAnIdleInstance_BeginsAtOnce()
    {
        await using var fixture = new BatcherFixture(Ordered);
        var added = new ManualInstance();
        fixture.Batcher.Add(added, Seat());
        var done = new[] { fixture.Send(fixture.Rows(1)), fixture.Send(fixture.Rows(2)) };
        var runs = new[] { await fixture.Instance.NextRunAsync(), await added.NextRunAsync() };
        foreach (var run in runs)
            run.Finish();
        await Task.WhenAll(done);
    }

    [Fact]
    public async Task Remove_OneThatHasNotBegun_GoesAtOnce()
    {
        await using var fixture = new BatcherFixture(Ordered);
        var (_, first, run) = await fixture.SendAndStart(1);
        var (added, seat) = (new ManualInstance(), Seat());
        fixture.Batcher.Add(added, seat);
        fixture.Batcher.Remove(seat);
        await Eventually.TrueAsync(() => added.IsDisposed);
        run.Finish();
        await first;
        var (_, second, next) = await fixture.SendAndStart(2);
        next.Finish();
        await second;
    }

    /// <summary>The first instance runs requests on their callers' threads until there is a second one.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Changes_UnderLoad_KeepTheOrder(bool runsInline)
    {
        await using var fixture = new BatcherFixture(Ordered, options: runsInline ? new SchedulerOptions { QuietTime = TimeSpan.Zero } : BatcherFixture.Queued);
        var early = new Dictionary<int, ManualRun>();
        var awaitedCount = 0;
        fixture.Instance.Automatic = End;
        var first = Seat();
        fixture.Batcher.Assign([first]);
        var seats = new Queue<InstanceSeat>([first]);
        var ended = new List<int>();
        var sent = new List<Task>();
        for (var i = 0; i < 1000; i++)
        {
            // As long as it is alone, one after the other.
            if (i < 50)
            {
                awaitedCount = i + 1;
                await SendAsync(i);
                continue;
            }

            if (i % 50 == 0 && (seats.Count == 1 || (i % 100 == 0 && seats.Count < 4)))
            {
                var instance = new ManualInstance { Automatic = End };
                var seat = Seat();
                fixture.Batcher.Add(instance, seat);
                seats.Enqueue(seat);
            }
            else if (i % 50 == 0)
            {
                fixture.Batcher.Remove(seats.Dequeue());
            }

            sent.Add(SendAsync(i));
            ManualRun? awaited;
            lock (early)
            {
                awaitedCount = i + 1;
                early.Remove(i, out awaited);
            }

            awaited?.Finish();
        }

        await Task.WhenAll(sent);
        Assert.Equal(Enumerable.Range(0, 1000), ended);

        // A request that completes before its caller waits for it would be noted by another thread at some later time.
        void End(ManualRun run)
        {
            lock (early)
            {
                var number = SequenceFixture.Ints(run, 0)[0];
                if (number >= awaitedCount)
                {
                    early.Add(number, run);
                    return;
                }
            }

            run.Finish();
        }

        async Task SendAsync(int number)
        {
            // What goes on where a request completes runs before the next one completes.
            await fixture.Batcher.ExecuteAsync(fixture.Rows(number)).ConfigureAwait(false);
            lock (ended)
                ended.Add(number);
        }
    }

    private static InstanceSeat Seat() => new(new InstancePlacement("fake", InstanceKind.Cpu, 0), null, null);
}
