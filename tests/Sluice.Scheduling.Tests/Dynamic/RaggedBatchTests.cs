using System.Runtime.InteropServices;
using Sluice.Inference;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Scheduling.Tests;

/// <summary>Requests of different shapes in one batch, and what the model is told of them (spec §3.1, §3.5).</summary>
public sealed class RaggedBatchTests
{
    private static readonly DynamicBatchingSettings Batching = new() { PreferredBatchSizes = [8] };

    /// <summary>Requests of shapes [1,3], [2,2] and [1,1] with the values 1 to 8; columns are kind, shape, values.</summary>
    [Theory]
    [InlineData(BatchInputKind.ElementCount, "[3]", new[] { 3, 4, 1 })]
    [InlineData(BatchInputKind.AccumulatedElementCount, "[3]", new[] { 3, 7, 8 })]
    [InlineData(BatchInputKind.AccumulatedElementCountWithZero, "[4]", new[] { 0, 3, 7, 8 })]
    [InlineData(BatchInputKind.MaxElementCountAsShape, "[4]", new[] { 0, 0, 0, 0 })]
    [InlineData(BatchInputKind.ItemShape, "[4,1]", new[] { 3, 2, 2, 1 })]
    [InlineData(BatchInputKind.ItemShapeFlatten, "[4]", new[] { 3, 2, 2, 1 })]
    public async Task Execute_BatchInputOfTheKind_TellsOfEachRequest(BatchInputKind kind, string shape, int[] expected)
    {
        foreach (var type in new[] { DataType.Int32, DataType.Fp32 })
        {
            await using var fixture = new BatcherFixture(Model(kind, type));
            var (requests, done) = await SendThree(fixture);
            var run = await fixture.Instance.NextRunAsync();
            Assert.Equal("[8]", run.Batch.Inputs[0].Shape.ToString());
            Assert.Equal(Enumerable.Range(1, 8), MemoryMarshal.Cast<byte, int>(run.Input(0)).ToArray());
            Assert.Equal(shape, run.Batch.Inputs[2].Shape.ToString());
            int[] told = type == DataType.Int32
                ? MemoryMarshal.Cast<byte, int>(run.Input(2)).ToArray()
                : [.. MemoryMarshal.Cast<byte, float>(run.Input(2)).ToArray().Select(value => (int)value)];
            Assert.Equal(expected, told);
            Assert.Equal(run.Input(2), run.Input(3));
            run.Finish(r => r.SetOutput(0, [8], r.Input(0)!));
            await Task.WhenAll(done);
            Assert.Equal(["[1,3]", "[2,2]", "[1,1]"], requests.Select(request => request.Outputs[0].Shape.ToString()));
            Assert.Equal([1, 2, 3], Values(requests[0]));
            Assert.Equal([4, 5, 6, 7], Values(requests[1]));
            Assert.Equal([8], Values(requests[2]));
            Assert.Equal(1, requests[0].OutputCount);
        }
    }

    [Fact]
    public async Task Execute_OneRequest_IsFlatAndScatteredToo()
    {
        await using var fixture = new BatcherFixture(Model(BatchInputKind.ElementCount, DataType.Int32));
        var request = Of(fixture, [1, 2], 5, 6);
        var done = fixture.Send(request);
        var run = await fixture.Instance.NextRunAsync();
        Assert.Equal("[2]", run.Batch.Inputs[0].Shape.ToString());
        run.Finish(r => r.SetOutput(0, [2], r.Input(0)!));
        await done;
        Assert.Equal("[1,2]", request.Outputs[0].Shape.ToString());
    }

    [Fact]
    public async Task Execute_OtherInputThatMayNotBeRagged_StillSplitsTheBatch()
    {
        var settings = Model(BatchInputKind.ElementCount, DataType.Int32);
        settings = settings with { Inputs = [settings.Inputs[0], TestRequests.Tensor("STRICT", DataType.Int32, -1)] };
        await using var fixture = new BatcherFixture(settings);
        InferRequest With(int strict, params int[] values) => fixture.Keep(TestRequests.Of(
            settings, ("IN", DataType.Int32, [1, values.Length], TestRequests.Bytes(values)),
            ("STRICT", DataType.Int32, [1, strict], TestRequests.Bytes(new int[strict]))));
        var blocker = fixture.Send(With(1, 1));
        var run = await fixture.Instance.NextRunAsync();
        var done = new[] { fixture.Send(With(2, 1, 2)), fixture.Send(With(2, 3)), fixture.Send(With(3, 4)) };
        run.Finish(Echo);
        foreach (var rows in new[] { 2, 1 })
        {
            run = await fixture.Instance.NextRunAsync();
            Assert.Equal(rows, run.Batch.RowCount);
            run.Finish(Echo);
        }

        await Task.WhenAll([blocker, .. done]);

        static void Echo(ManualRun run) => run.SetOutput(0, run.Batch.Inputs[0].Shape.Dimensions, run.Input(0)!);
    }

    [Fact]
    public async Task Execute_ScatteredOutputThatIsTooShort_FailsWhoseItIs()
    {
        await using var fixture = new BatcherFixture(Model(BatchInputKind.ElementCount, DataType.Int32));
        var request = Of(fixture, [1, 2], 5, 6);
        var done = fixture.Send(request);
        (await fixture.Instance.NextRunAsync()).Finish(run => run.SetOutput(0, [1], TestRequests.Bytes(1)));
        await done;
        Assert.Equal(
            (InferenceCode.Internal, "a scattered output of model 'fake' has 4 bytes, too few for a request whose input has shape [1,2]"),
            (request.Status, request.StatusMessage));
    }

    [Fact]
    public async Task Execute_RaggedStrings_AreJoinedAndScattered()
    {
        var settings = Model(BatchInputKind.ElementCount, DataType.Int32) with
        {
            Inputs = [TestRequests.Tensor("IN", DataType.Bytes, -1) with { AllowRaggedBatch = true }],
            Outputs = [TestRequests.Tensor("OUT", DataType.Bytes, -1)],
        };
        await using var fixture = new BatcherFixture(settings);
        InferRequest Text(params string[] values) => fixture.Keep(TestRequests.Of(
            settings, ("IN", DataType.Bytes, [1, values.Length], TestRequests.Strings(values))));
        var blocker = fixture.Send(Text("x"));
        var run = await fixture.Instance.NextRunAsync();
        var (a, b) = (Text("a", "", "größe"), Text("b"));
        var done = new[] { fixture.Send(a), fixture.Send(b) };
        run.Finish(r => r.SetOutput(0, [1], r.Input(0)!));
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal("[4]", run.Batch.Inputs[0].Shape.ToString());
        run.Finish(r => r.SetOutput(0, [4], r.Input(0)!));
        await Task.WhenAll([blocker, .. done]);
        Assert.Equal(TestRequests.Strings("a", "", "größe"), a.Outputs[0].Data.ToArray());
        Assert.Equal(TestRequests.Strings("b"), b.Outputs[0].Data.ToArray());
    }

    private static ModelSettings Model(BatchInputKind kind, DataType type) => TestRequests.Settings(Batching) with
    {
        Inputs = [TestRequests.Tensor("IN", DataType.Int32, -1) with { AllowRaggedBatch = true }, TestRequests.Tensor("MORE", DataType.Int32, 1) with { IsOptional = true }],
        Outputs = [TestRequests.Tensor("OUT", DataType.Int32, -1)],
        BatchInputs = [new BatchInputSettings { Kind = kind, DataType = type, SourceInput = "IN", TargetNames = ["TOLD", "AGAIN"] }],
        BatchOutputs = [new BatchOutputSettings { SourceInput = "IN", TargetNames = ["OUT"] }],
    };

    private static InferRequest Of(BatcherFixture fixture, long[] shape, params int[] values) =>
        fixture.Keep(TestRequests.Of(fixture.Settings, ("IN", DataType.Int32, shape, TestRequests.Bytes(values))));

    private static async Task<(InferRequest[] Requests, Task[] Done)> SendThree(BatcherFixture fixture)
    {
        var blocker = fixture.Send(Of(fixture, [1, 1], 0));
        var run = await fixture.Instance.NextRunAsync();
        InferRequest[] requests = [Of(fixture, [1, 3], 1, 2, 3), Of(fixture, [2, 2], 4, 5, 6, 7), Of(fixture, [1, 1], 8)];
        var done = Array.ConvertAll(requests, fixture.Send);
        run.Finish(r => r.SetOutput(0, [1], r.Input(0)!));
        await blocker;
        return (requests, done);
    }

    private static int[] Values(InferRequest request) => MemoryMarshal.Cast<byte, int>(request.Outputs[0].Data).ToArray();
}
