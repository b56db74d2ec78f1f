using Sluice.Inference;
using Sluice.Tensors;
using Sluice.Testing;
using static Sluice.Scheduling.Tests.SequenceFixture;

namespace Sluice.Scheduling.Tests;

/// <summary>States that the server keeps from one step to the next (spec §3.5).</summary>
public sealed class SequenceStateTests
{
    [Theory]
    [InlineData(4)]
    [InlineData(0)]
    public async Task Execute_OneState_IsFedBackAndHiddenFromTheClient(int maxBatchSize)
    {
        var settings = Model(new SequenceSettings { States = [State("", 1)] }, maxBatchSize);
        await using var fixture = new SequenceFixture(settings);
        fixture.Accumulate();
        Assert.Equal(5, await fixture.RunAsync("1", 5, Start));
        Assert.Equal(7, await fixture.RunAsync("2", 7, Start));
        Assert.Equal(8, await fixture.RunAsync("1", 3));
        var (request, done) = fixture.Send("2", 1, End);
        await done;
        Assert.Equal((8, 1), (ValueOf(request), request.OutputCount));
        Assert.Equal(18, await fixture.RunAsync("1", 10, End));
        Assert.Equal(0, fixture.SequenceCount);
    }

    [Fact]
    public async Task Execute_StartAgain_BeginsWithTheInitialState()
    {
        var state = State("", 1) with { InitialData = TestRequests.Bytes(100) };
        await using var fixture = new SequenceFixture(Model(new SequenceSettings { States = [state] }));
        fixture.Accumulate();
        Assert.Equal(101, await fixture.RunAsync("1", 1, Start));
        Assert.Equal(102, await fixture.RunAsync("1", 1));
        Assert.Equal(105, await fixture.RunAsync("1", 5, Start));
        Assert.Equal(106, await fixture.RunAsync("1", 1));
        Assert.Equal(1, fixture.SequenceCount);
    }

    [Fact]
    public async Task Execute_StateThatIsAnOutputToo_IsReturned()
    {
        var settings = Model(new SequenceSettings { States = [State("", 1)] });
        settings = settings with { Outputs = [.. settings.Outputs, TestRequests.Tensor("OUT_STATE", DataType.Int32, 1)] };
        await using var fixture = new SequenceFixture(settings);
        fixture.Accumulate();
        await fixture.RunAsync("1", 2, Start);
        var (request, done) = fixture.Send("1", 3, End);
        await done;
        Assert.Equal(2, request.OutputCount);
        Assert.Equal(5, BitConverter.ToInt32(request.Outputs[1].Data));
    }

    [Fact]
    public async Task Execute_StateThatGrowsAndShrinks_KeepsItsShape()
    {
        await using var fixture = new SequenceFixture(Model(new SequenceSettings { States = [State("", -1)] }));
        foreach (var (flags, before, after) in new[] { (Start, 1, 3), (0, 3, 40_000), (0, 40_000, 2), (0, 2, 0), (End, 0, 5) })
        {
            var (_, done) = fixture.Send("1", 1, flags);
            var run = await fixture.Instance.NextRunAsync();
            Assert.Equal($"[1,{before}]", run.Batch.Inputs[1].Shape.ToString());
            Assert.Equal(before == 1 ? [0] : Enumerable.Range(before, before), Ints(run, 1));
            run.Finish(r =>
            {
                r.SetOutput(0, [1, 1], TestRequests.Bytes(1));
                r.SetOutput(1, [1, after], TestRequests.Bytes([.. Enumerable.Range(after, after)]));
            });
            await done;
        }
    }

    [Fact]
    public async Task Execute_SeveralStatesAndRows_AreKeptApart()
    {
        var text = State("TEXT_", 1) with { DataType = DataType.Bytes, InitialData = TestRequests.Strings("") };
        var settings = Model(Controls() with { Controls = [], States = [State("", 2), text] });
        await using var fixture = new SequenceFixture(settings);
        var a = fixture.Send("1", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        var b = fixture.Send("b", 2, Start);
        var a2 = fixture.Send("1", 3);
        SetStates(run, [1, 2], "one");
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal([1, 2, 0, 0], Ints(run, 1));
        Assert.Equal(TestRequests.Strings("one", ""), run.Input(2));
        SetStates(run, [3, 4, 5, 6], "three", "größer");
        await Task.WhenAll(a.Done, b.Done, a2.Done);
        var last = fixture.Send("b", 4, End);
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal([0, 0, 5, 6], Ints(run, 1));
        Assert.Equal(TestRequests.Strings("", "größer"), run.Input(2));
        SetStates(run, [0, 0, 0, 0], "", "");
        await last.Done;

        static void SetStates(ManualRun run, int[] numbers, params string[] texts) => run.Finish(r =>
        {
            var rows = texts.Length;
            r.SetOutput(0, [rows, 1], r.Input(0)!);
            r.SetOutput(1, [rows, 2], TestRequests.Bytes(numbers));
            r.SetOutput(2, [rows, 1], TestRequests.Strings(texts));
        });
    }

    [Fact]
    public async Task Execute_FailedStep_LeavesTheStateAsItWas()
    {
        await using var fixture = new SequenceFixture(Model(new SequenceSettings { States = [State("", 1)] }));
        fixture.Accumulate();
        Assert.Equal(5, await fixture.RunAsync("1", 5, Start));
        var accumulate = fixture.Instance.Automatic;
        fixture.Instance.Automatic = run => run.Fail(new InferenceException(InferenceCode.Internal, "broken"));
        var (request, done) = fixture.Send("1", 100);
        await done;
        Assert.Equal(InferenceCode.Internal, request.Status);
        fixture.Instance.Automatic = accumulate;
        Assert.Equal(6, await fixture.RunAsync("1", 1));
    }

    [Fact]
    public async Task Execute_StateWithOtherRowsThanTheBatch_FailsTheStep()
    {
        await using var fixture = new SequenceFixture(Model(new SequenceSettings { States = [State("", 1)] }));
        var a = fixture.Send("1", 1, Start);
        var run = await fixture.Instance.NextRunAsync();
        var (b, c) = (fixture.Send("2", 2, Start), fixture.Send("3", 3, Start));
        run.Finish(Answer(1, 1));
        (await fixture.Instance.NextRunAsync()).Finish(Answer(3, 2));
        await Task.WhenAll(a.Done, b.Done, c.Done);
        Assert.Equal(
            (InferenceCode.Internal, "output 'OUT_STATE' of model 'fake' has shape [2,1] for a batch of 3 rows"),
            (b.Request.Status, b.Request.StatusMessage));

        static Action<ManualRun> Answer(int rows, int states) => run =>
        {
            run.SetOutput(0, [rows, 1], TestRequests.Bytes(new int[rows]));
            run.SetOutput(1, [states, 1], TestRequests.Bytes(new int[states]));
        };
    }

    [Theory]
    [InlineData("[]", new long[0])]
    [InlineData("[2,1]", new long[] { 2, 1 })]
    public async Task Execute_BatchOfOneWithOtherRows_FailsTheStepAndKeepsTheStateBefore(string text, long[] shape)
    {
        await using var fixture = new SequenceFixture(Model(new SequenceSettings { States = [State("", 1)] }));
        fixture.Accumulate();
        Assert.Equal(5, await fixture.RunAsync("1", 5, Start));
        var accumulate = fixture.Instance.Automatic;
        fixture.Instance.Automatic = run => run.Finish(r =>
        {
            r.SetOutput(0, [1, 1], TestRequests.Bytes(1));
            r.SetOutput(1, shape, TestRequests.Bytes(new int[shape.Aggregate(1L, (product, d) => product * d)]));
        });
        var (request, done) = fixture.Send("1", 1);
        await done;
        Assert.Equal(
            (InferenceCode.Internal, $"output 'OUT_STATE' of model 'fake' has shape {text} for a batch of 1 rows"),
            (request.Status, request.StatusMessage));
        fixture.Instance.Automatic = accumulate;
        Assert.Equal(8, await fixture.RunAsync("1", 3, End));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Execute_StepOfACheapModel_AllocatesNothing(bool isOldest)
    {
        var sequence = new SequenceSettings
        {
            States = [State("", 1)],
            Controls = [Controls(DataType.Bytes).Controls[0], Controls(DataType.Bytes).Controls[3]],
            Oldest = isOldest ? new OldestSettings() : null,
        };
        var options = new SchedulerOptions { InlineLimit = TimeSpan.FromSeconds(10) };

        // Inputs are IN, START, CORRID and the state; outputs, equal to the inputs of their index, OUT and the state.
        await using var fixture = new SequenceFixture(Model(sequence), options: options, instance: new EchoInstance(), notesRenters: false);
        var least = long.MaxValue;
        await Task.Factory.StartNew(Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Assert.Equal(0, least);

        void Run()
        {
            ThreadTurn.Enter();
            var request = new InferRequest();
            for (var i = 0; i < 2000; i++)
            {
                request.SequenceName = request.AddText("steady"u8);
                request.IsSequenceStart = i == 0;
                TestRequests.AddAndBind(request, fixture.Settings, ("IN", DataType.Int32, [1, 1], TestRequests.Bytes(i)));
                var before = GC.GetAllocatedBytesForCurrentThread();
                var done = fixture.Batcher.ExecuteAsync(request);
                while (ThreadTurn.RunDeferred())
                {
                }

                var after = GC.GetAllocatedBytesForCurrentThread() - before;
                Assert.True(SpinWait.SpinUntil(() => done.IsCompleted, TimeSpan.FromSeconds(20)));
                done.GetAwaiter().GetResult();
                Assert.Equal(i, ValueOf(request));
                if (i > 1000)
                    least = Math.Min(least, after);
                request.Reset();
            }
        }
    }

    [Fact]
    public async Task Dispose_WithStatesKept_GivesTheirMemoryBack()
    {
        await using var fixture = new SequenceFixture(Model(new SequenceSettings { States = [State("", 1)] }));
        fixture.Accumulate();
        await fixture.RunAsync("1", 5, Start);
        await fixture.RunAsync("name", 5, Start);
        Assert.Equal(2, fixture.SequenceCount);
        await fixture.DisposeModelAsync();
        Assert.Equal(0, fixture.SequenceCount);
    }

    [Fact]
    public async Task Idle_SequenceWithState_GivesItsMemoryBack()
    {
        await using var fixture = new SequenceFixture(Model(new SequenceSettings { MaxIdleMicroseconds = 100, States = [State("", 10_000)] }));
        fixture.Instance.Automatic = run => run.Finish(r =>
        {
            r.SetOutput(0, [1, 1], TestRequests.Bytes(1));
            r.SetOutput(1, [1, 10_000], new byte[40_000]);
        });
        var (request, done) = fixture.Send("1", 5, Start);
        await done;
        request.Reset();
        var rented = fixture.Pool.RentedCount;
        fixture.Timer.Advance(101);
        Assert.Equal(rented - 1, fixture.Pool.RentedCount);
    }
}
