using System.Runtime.InteropServices;
using Sluice.Inference;
using Sluice.Testing;
using static Sluice.Scheduling.Tests.SequenceFixture;

namespace Sluice.Scheduling.Tests;

/// <summary>Models that have a request run again (spec §3.5).</summary>
public sealed class IterativeSequenceTests
{
    private static readonly SequenceSettings Iterative = new() { IsIterative = true };

    [Fact]
    public async Task Reschedule_Group_ComesAgainWithoutStartAndAnswersInTheEnd()
    {
        var instance = new ManualRequestInstance();
        await using var fixture = new SequenceFixture(Model(Iterative with { Controls = Controls().Controls }), instance: instance);
        var (request, done) = fixture.Send("0", 5);
        var ids = new List<ulong>();
        for (var step = 0; step < 3; step++)
        {
            var group = await instance.NextAsync();
            Assert.Equal(request, group.Requests[0]);
            Assert.Equal((step == 0 ? 1 : 0, 1), (group.Int(0, "START"), group.Int(0, "READY")));
            ids.Add(request.SequenceId);
            group.End(requests =>
            {
                if (step < 2)
                    requests.Reschedule(0);
                else
                    Answer(requests, 0, 50);
            });
        }

        await done;
        Assert.Equal(50, ValueOf(request));
        Assert.Single(ids.Distinct());
        Assert.NotEqual(0UL, ids[0]);
        Assert.Equal(0, fixture.SequenceCount);
        Assert.Equal(1, fixture.Statistics.Success.Count);
    }

    [Fact]
    public async Task Reschedule_SeveralRequests_ShareBatchesWhileTheyLast()
    {
        var instance = new ManualRequestInstance();
        var settings = Model(Iterative with { Oldest = new OldestSettings { MaxCandidateSequences = 4 } });
        await using var fixture = new SequenceFixture(settings, instance: instance);
        var first = fixture.Send("0", 1);
        var group = await instance.NextAsync();
        var second = fixture.Send("0", 2);
        group.End(requests => requests.Reschedule(0));
        group = await instance.NextAsync();
        Assert.Equal([second.Request, first.Request], group.Requests);
        group.End(requests =>
        {
            requests.Reschedule(0);
            Answer(requests, 1, 10);
        });
        await first.Done;
        group = await instance.NextAsync();
        group.End(requests => Answer(requests, 0, 20));
        await second.Done;
        Assert.Equal((10, 20), (ValueOf(first.Request), ValueOf(second.Request)));
    }

    [Fact]
    public async Task Reschedule_ModelThatIsNotIterative_FailsTheRequest()
    {
        var instance = new ManualRequestInstance();
        await using var fixture = new SequenceFixture(Model(new SequenceSettings()), instance: instance);
        var (request, done) = fixture.Send("1", 1, Start);
        (await instance.NextAsync()).End(requests => requests.Reschedule(0));
        await done;
        Assert.Equal(
            (InferenceCode.InvalidArgument, "Request is released with TRITONSERVER_REQUEST_RELEASE_RESCHEDULE, while the model is not " +
                "configured to handle such a flag."),
            (request.Status, request.StatusMessage));
    }

    [Fact]
    public async Task Reschedule_CallerHasGone_EndsTheRequest()
    {
        var instance = new ManualRequestInstance();
        await using var fixture = new SequenceFixture(Model(Iterative), instance: instance);
        using var lifetime = new FakeLifetime();
        var request = fixture.Step("0", 1);
        request.Lifetime = lifetime;
        var done = fixture.Send(request);
        var group = await instance.NextAsync();
        lifetime.Cancel();
        Assert.Equal([0], instance.Cancelled);
        group.End(requests => requests.Reschedule(0));
        await done;
        Assert.Equal(InferenceCode.Cancelled, request.Status);
        Assert.Equal((0, 1L), (fixture.SequenceCount, fixture.Statistics.FailureCount(FailureReason.Canceled)));
    }

    [Fact]
    public async Task Reschedule_DecoupledStream_SendsResponsesFromStepToStep()
    {
        var instance = new ManualStreamingInstance();
        await using var fixture = new SequenceFixture(Model(Iterative) with { IsDecoupled = true }, instance: instance);
        var sink = new FakeSink();
        var request = fixture.Step("0", 3);
        request.Sink = sink;
        var done = fixture.Send(request);
        for (var step = 2; step >= 0; step--)
        {
            var run = await instance.NextRunAsync();
            await run.SendAsync(step, isFinal: step == 0);
            if (step > 0)
                await run.Responses.RescheduleAsync();
            run.End();
        }

        await done;
        Assert.Equal([2, 1, 0], sink.Entries.Select(entry => entry.Value!.Value));
        Assert.Equal([ResponseKind.Partial, ResponseKind.Partial, ResponseKind.Final], sink.Entries.Select(entry => entry.Kind));
        Assert.Equal((1L, 3L, 0), (fixture.Statistics.Success.Count, fixture.Statistics.ExecutionCount, fixture.SequenceCount));
    }

    [Fact]
    public async Task Reschedule_DecoupledSequenceThatIsNotIterative_FailsTheRequest()
    {
        var instance = new ManualStreamingInstance();
        await using var fixture = new SequenceFixture(Model(new SequenceSettings()) with { IsDecoupled = true }, instance: instance);
        var sink = new FakeSink();
        var request = fixture.Step("1", 3, Start);
        request.Sink = sink;
        var done = fixture.Send(request);
        var run = await instance.NextRunAsync();
        await run.Responses.RescheduleAsync();
        run.End();
        await done;
        Assert.Contains(
            "TRITONSERVER_REQUEST_RELEASE_RESCHEDULE", Assert.Single(sink.Entries).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Execute_DecoupledSequence_NextStepWaitsForTheFinalResponse()
    {
        var instance = new ManualStreamingInstance();
        await using var fixture = new SequenceFixture(Model(Controls()) with { IsDecoupled = true }, instance: instance);
        var (first, second) = (fixture.Step("1", 3, Start), fixture.Step("1", 4, End));
        first.Sink = new FakeSink();
        second.Sink = new FakeSink();
        var done = new[] { fixture.Send(first), fixture.Send(second) };
        var run = await instance.NextRunAsync();
        Assert.Equal((1, 0), (Control(run, 1), Control(run, 3)));
        run.End();
        await run.Responses.CompleteAsync();
        run = await instance.NextRunAsync();
        Assert.Equal((0, 1), (Control(run, 1), Control(run, 3)));
        await run.Responses.CompleteAsync();
        run.End();
        await Task.WhenAll(done);
    }

    [Fact]
    public async Task Execute_DecoupledEngineThatAnswersOnce_KeepsItsState()
    {
        var settings = Model(new SequenceSettings { States = [State("", 1)] }) with { IsDecoupled = true };
        await using var fixture = new SequenceFixture(settings);
        fixture.Accumulate();
        var sink = new FakeSink();
        foreach (var (value, flags) in new[] { (5, Start), (3, 0), (1, End) })
        {
            var request = fixture.Step("1", value, flags);
            request.Sink = sink;
            await fixture.Send(request);
        }

        Assert.Equal([5, 8, 9], sink.Entries.Select(entry => entry.Value!.Value));
    }

    [Fact]
    public async Task Execute_StreamingEngine_KeepsItsHiddenState()
    {
        var instance = new ManualStreamingInstance();
        var settings = Model(new SequenceSettings { States = [State("", 1)] }) with { IsDecoupled = true };
        await using var fixture = new SequenceFixture(settings, instance: instance);
        var sum = 0;
        foreach (var (value, flags) in new[] { (5, Start), (3, 0), (1, End) })
        {
            var request = fixture.Step("1", value, flags);
            var sink = new FakeSink();
            request.Sink = sink;
            var done = fixture.Send(request);
            var run = await instance.NextRunAsync();
            Assert.Equal(sum, Control(run, 1));
            sum += value;
            await SendAsync(run, sum, [1, 1], sum, isFinal: true);
            run.End();
            await done;
            Assert.Equal([new SinkEntry(ResponseKind.Final, InferenceCode.Ok, "", sum, 1)], sink.Entries);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Execute_StreamingEngine_StateInUseIsNotTouchedBeforeTheEnd(bool isFailing)
    {
        // So large that the engine reads it where it is kept.
        const int Large = 2048;
        var instance = new ManualStreamingInstance();
        var settings = Model(new SequenceSettings { States = [State("", -1)] }) with { IsDecoupled = true };
        await using var fixture = new SequenceFixture(settings, instance: instance);
        var run = await SendAsync(fixture, instance, Start);
        await SendAsync(run.Run, 1, [1, Large], 7, isFinal: true);
        run.Run.End();
        await run.Done;

        run = await SendAsync(fixture, instance, 0);
        await SendAsync(run.Run, 2, [1, Large], 8);
        Assert.Equal(Enumerable.Repeat(7, Large), StateOf(run.Run));
        await SendAsync(run.Run, 3, [1, Large * 4], 9);
        Assert.Equal(Enumerable.Repeat(7, Large), StateOf(run.Run));
        if (isFailing)
            await run.Run.Responses.FailAsync(InferenceCode.Internal, "broken", isFinal: true);
        else
            await run.Run.Responses.CompleteAsync();
        run.Run.End();
        await run.Done;

        run = await SendAsync(fixture, instance, End);
        Assert.Equal(isFailing ? Enumerable.Repeat(7, Large) : Enumerable.Repeat(9, Large * 4), StateOf(run.Run));
        await run.Run.Responses.CompleteAsync();
        run.Run.End();
        await run.Done;

        static int[] StateOf(ManualStreamRun run)
        {
            var input = run.Responses.Inputs.Inputs[1];
            unsafe
            {
                return new ReadOnlySpan<int>(input.Data, input.ByteLength / sizeof(int)).ToArray();
            }
        }
    }

    [Fact]
    public async Task Execute_StreamingEngineThatComesAgain_GetsTheStateOfItsPartialResponse()
    {
        var instance = new ManualStreamingInstance();
        var settings = Model(Iterative with { States = [State("", 1)] }) with { IsDecoupled = true };
        await using var fixture = new SequenceFixture(settings, instance: instance);
        var request = fixture.Step("0", 3);
        request.Sink = new FakeSink();
        var done = fixture.Send(request);
        for (var step = 0; step < 3; step++)
        {
            var run = await instance.NextRunAsync();
            Assert.Equal(step, Control(run, 1));
            await SendAsync(run, step, [1, 1], step + 1, isFinal: step == 2);
            if (step < 2)
                await run.Responses.RescheduleAsync();
            run.End();
        }

        await done;
    }

    [Theory]
    [InlineData(0)]
    [InlineData(End)]
    public async Task Execute_SameIdAgainWhileItRuns_GoesOnWithTheNextRequest(int flags)
    {
        var instance = new ManualRequestInstance();
        await using var fixture = new SequenceFixture(Model(Iterative with { Controls = Controls().Controls }), instance: instance);
        var first = fixture.Send("5", 1, Start);
        var group = await instance.NextAsync();
        var second = fixture.Send("5", 2, Start | flags);
        group.End(requests => requests.Reschedule(0));
        group = await instance.NextAsync();
        Assert.Equal(first.Request, Assert.Single(group.Requests));
        group.End(requests => Answer(requests, 0, 10));
        await first.Done;
        group = await instance.NextAsync();
        Assert.Equal(second.Request, Assert.Single(group.Requests));
        Assert.Equal(1, group.Int(0, "START"));
        group.End(requests => Answer(requests, 0, 20));
        await second.Done;
        Assert.Equal((10, 20), (ValueOf(first.Request), ValueOf(second.Request)));
        Assert.Equal(0, fixture.SequenceCount);
    }

    private static async Task<(ManualStreamRun Run, Task Done)> SendAsync(
        SequenceFixture fixture, ManualStreamingInstance instance, int flags)
    {
        var request = fixture.Step("1", 1, flags);
        request.Sink = new FakeSink();
        var done = fixture.Send(request);
        return (await instance.NextRunAsync(), done);
    }

    private static unsafe int Control(ManualStreamRun run, int index) => *(int*)run.Responses.Inputs.Inputs[index].Data;

    /// <summary>Sends a response with a state whose elements all have one value.</summary>
    private static ValueTask SendAsync(ManualStreamRun run, int value, long[] stateShape, int state, bool isFinal = false)
    {
        var response = run.Make(value);
        if (response.IsRequested(1))
        {
            var buffer = response.Pool.Rent(sizeof(int) * (int)stateShape.Aggregate(1L, (product, d) => product * d));
            MemoryMarshal.Cast<byte, int>(buffer.GetSpan()).Fill(state);
            response.SetOutput(1, Tensors.Shape.Create(stateShape), buffer);
        }

        return run.Responses.SendAsync(response, isFinal);
    }

    private static void Answer(IRequestGroup requests, int position, int value)
    {
        var response = requests.Rent(position);
        var buffer = response.Pool.Rent(sizeof(int));
        BitConverter.TryWriteBytes(buffer.GetSpan(), value);
        response.SetOutput(0, Tensors.Shape.Create([1, 1]), buffer);
        requests.Answer(position, response);
    }
}
