using Sluice.Inference;
using Sluice.Scheduling.RateLimit;
using Sluice.Testing;

namespace Sluice.Scheduling.Tests;

/// <summary>Instances that answer response by response come and go; what one has taken it answers to the end.</summary>
public sealed class DecoupledResizeTests
{
    [Fact]
    public async Task Add_ARequestThatWaits_BeginsThere()
    {
        await using var fixture = new DecoupledFixture();
        var (_, _, first, run) = await fixture.SendAndStart(1);
        var second = fixture.Send(fixture.Request(2, new FakeSink()));
        var added = Add(fixture);
        var other = await added.NextRunAsync();
        await EndAsync(other);
        await second;
        await EndAsync(run);
        await first;
    }

    [Fact]
    public async Task Remove_WhileResponsesFlow_AnswersToTheEnd_AndTakesNothingNew()
    {
        await using var fixture = new DecoupledFixture();
        var seats = Assign(fixture);
        var (_, sink, first, run) = await fixture.SendAndStart(1);
        var second = fixture.Send(fixture.Request(2, new FakeSink()));
        var added = Add(fixture);
        fixture.Scheduler.Remove(seats);
        await EndAsync(await added.NextRunAsync());
        await second;

        // The instance is free before its responses have been sent.
        run.End();
        var third = fixture.Send(fixture.Request(3, new FakeSink()));
        await EndAsync(await added.NextRunAsync());
        await third;
        Assert.False(fixture.Instance.IsDisposed);
        await run.SendAsync(7);
        await run.SendAsync(8, isFinal: true);
        await first;
        Assert.Equal([7, 8], sink.Entries.Select(entry => entry.Value!.Value));
        await Eventually.TrueAsync(() => fixture.Instance.IsDisposed);
        Assert.False(added.IsDisposed);
    }

    [Fact]
    public async Task Remove_AfterTheLastResponse_WaitsForTheExecution()
    {
        await using var fixture = new DecoupledFixture();
        var seat = Assign(fixture);
        var (_, _, first, run) = await fixture.SendAndStart(1);
        Add(fixture);
        fixture.Scheduler.Remove(seat);
        await run.Responses.CompleteAsync();
        await first;
        Assert.False(fixture.Instance.IsDisposed);
        run.End();
        await Eventually.TrueAsync(() => fixture.Instance.IsDisposed);
    }

    [Fact]
    public async Task Remove_AnIdleInstance_GoesAtOnce()
    {
        await using var fixture = new DecoupledFixture();
        var seat = Assign(fixture);
        var added = Add(fixture);
        fixture.Scheduler.Remove(seat);
        await Eventually.TrueAsync(() => fixture.Instance.IsDisposed);
        Assert.Single(fixture.Scheduler.Seats);
        var request = fixture.Send(fixture.Request(1, new FakeSink()));
        await EndAsync(await added.NextRunAsync());
        await request;
    }

    [Fact]
    public async Task Dispose_WhileAnInstanceIsLeaving_WaitsForIt()
    {
        var fixture = new DecoupledFixture();
        var seat = Assign(fixture);
        var (_, _, first, run) = await fixture.SendAndStart(1);
        Add(fixture);
        fixture.Scheduler.Remove(seat);
        await run.Responses.CompleteAsync();
        await first;
        var disposal = fixture.DisposeModelAsync();
        Assert.False(disposal.IsCompleted);
        run.End();
        await disposal.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.True(fixture.Instance.IsDisposed);
        await fixture.DisposeAsync();
    }

    [Fact]
    public async Task Changes_UnderLoad_AnswerEveryRequest()
    {
        await using var fixture = new DecoupledFixture();
        using var stop = new CancellationTokenSource();
        var seats = new Queue<InstanceSeat>([Assign(fixture)]);
        var instances = new List<ManualStreamingInstance> { fixture.Instance };
        var servers = new List<Task> { ServeAsync(fixture.Instance) };
        var callers = Enumerable.Range(1, 8).Select(caller => Task.Run(async () =>
        {
            for (var round = 0; round < 100; round++)
            {
                var sink = new FakeSink();
                InferRequest request;
                lock (fixture)
                    request = fixture.Request((caller * 1000) + round, sink);
                await fixture.Send(request);
                Assert.Equal([(caller * 1000) + round, 0], sink.Entries.Select(entry => entry.Value!.Value));
            }
        })).ToArray();
        while (!Array.TrueForAll(callers, caller => caller.IsCompleted))
        {
            if (seats.Count < 3)
            {
                var instance = new ManualStreamingInstance();
                instances.Add(instance);
                servers.Add(ServeAsync(instance));
                var seat = Seat();
                fixture.Scheduler.Add(instance, seat);
                seats.Enqueue(seat);
            }
            else
            {
                fixture.Scheduler.Remove(seats.Dequeue());
                fixture.Scheduler.Remove(seats.Dequeue());
            }

            var served = fixture.Statistics.Success.Count;
            await Eventually.TrueAsync(() => fixture.Statistics.Success.Count > served + 5 || Array.TrueForAll(callers, caller => caller.IsCompleted));
        }

        await Task.WhenAll(callers);
        await Eventually.TrueAsync(() => instances.Count(instance => !instance.IsDisposed) == seats.Count);
        await stop.CancelAsync();

        async Task ServeAsync(ManualStreamingInstance instance)
        {
            while (await Task.WhenAny(instance.NextRunAsync(), Task.Delay(Timeout.Infinite, stop.Token)) is Task<ManualStreamRun> next)
            {
                var run = await next;
                int value;
                unsafe
                {
                    value = *(int*)run.Responses.Inputs.Inputs[0].Data;
                }

                run.End();
                await run.SendAsync(value);
                await run.SendAsync(0, isFinal: true);
            }
        }
    }

    private static InstanceSeat Seat() => new(new InstancePlacement("fake", InstanceKind.Cpu, 0), null, null);

    private static InstanceSeat Assign(DecoupledFixture fixture)
    {
        var seat = Seat();
        fixture.Scheduler.Assign([seat]);
        return seat;
    }

    private static ManualStreamingInstance Add(DecoupledFixture fixture)
    {
        var instance = new ManualStreamingInstance();
        fixture.Scheduler.Add(instance, Seat());
        return instance;
    }

    private static async Task EndAsync(ManualStreamRun run)
    {
        await run.Responses.CompleteAsync();
        run.End();
    }
}
