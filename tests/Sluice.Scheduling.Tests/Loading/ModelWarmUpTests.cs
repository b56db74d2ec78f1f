using Sluice.Inference;
using Sluice.Scheduling.Loading;
using Sluice.Tensors;

namespace Sluice.Scheduling.Tests;

public sealed class ModelWarmUpTests
{
    private static ModelSettings Floats(params long[] dims) => TestRequests.Settings(new DynamicBatchingSettings()) with
    {
        Inputs = [TestRequests.Tensor("IN", DataType.Fp32, dims)],
        Outputs = [TestRequests.Tensor("OUT", DataType.Fp32, dims)],
    };

    [Fact]
    public async Task Run_IndependentRows_WarmsWithoutAWordAndForgetsTheNumbers()
    {
        await using var fixture = new BatcherFixture(Floats(2));
        fixture.Instance.Automatic = run => run.Finish();
        await WarmUp(fixture);
        Assert.Equal([.. Enumerable.Repeat(1, 64), 2, 1, 1], fixture.Instance.RowCounts);
        Assert.Empty(fixture.Logger.Entries);
        Assert.Equal(0, fixture.Statistics.ExecutionCount);
        Assert.Equal(0, fixture.Statistics.Success.Count);
        Assert.Equal(0, fixture.Statistics.PendingCount);
    }

    [Fact]
    public async Task Run_RowsThatDependOnEachOther_AreWarnedOf()
    {
        await using var fixture = new BatcherFixture(Floats(2));
        fixture.Instance.Automatic = run =>
        {
            // Divides by the number of rows, as a normalisation over the batch would.
            var values = new float[run.Batch.RowCount * 2];
            Array.Fill(values, 8f / run.Batch.RowCount);
            run.Finish(batch => batch.SetOutput(
                0, [batch.Batch.RowCount, 2], System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(values).ToArray()));
        };
        await WarmUp(fixture);
        var (_, id, text) = Assert.Single(fixture.Logger.Entries);
        Assert.Equal(1301, id.Id);
        Assert.Contains("'fake'", text, StringComparison.Ordinal);
        Assert.Contains("'OUT'", text, StringComparison.Ordinal);
        Assert.Contains("up to 4", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_ModelThatRefusesTheSamples_IsLeftAsItIs()
    {
        await using var fixture = new BatcherFixture(Floats(2));
        fixture.Instance.Automatic = run => run.Fail(InferenceException.Invalid("not these values"));
        await WarmUp(fixture);
        Assert.Empty(fixture.Logger.Entries);
        Assert.Equal(0, fixture.Statistics.Failure.Count);
        fixture.Instance.Automatic = run => run.Finish();
        var request = fixture.Keep(TestRequests.Of(fixture.Settings, ("IN", DataType.Fp32, [1, 2], new byte[8])));
        await fixture.Send(request);
        Assert.True(request.IsOk);
    }

    [Fact]
    public async Task Run_InputTooLargeForASample_IsNotTried()
    {
        await using var fixture = new BatcherFixture(Floats(1 << 20, 1 << 20));
        fixture.Instance.Automatic = run => run.Finish();
        await WarmUp(fixture);
        Assert.Empty(fixture.Instance.RowCounts);
    }

    [Theory]
    [InlineData(DataType.Bytes)]
    [InlineData(DataType.Bool)]
    [InlineData(DataType.Int8)]
    [InlineData(DataType.UInt64)]
    [InlineData(DataType.Fp16)]
    [InlineData(DataType.Bf16)]
    [InlineData(DataType.Fp64)]
    public async Task Run_EveryType_HasSamplesThatTheModelTakes(DataType type)
    {
        var settings = TestRequests.Settings(new DynamicBatchingSettings()) with
        {
            Inputs = [TestRequests.Tensor("IN", type, -1, 3)],
            Outputs = [TestRequests.Tensor("OUT", type, -1, 3)],
        };
        await using var fixture = new BatcherFixture(settings);
        fixture.Instance.Automatic = run => run.Finish();
        await WarmUp(fixture);
        Assert.Contains(2, fixture.Instance.RowCounts);
        Assert.Empty(fixture.Logger.Entries);
    }

    [Theory]
    [InlineData(DataType.UInt64)]
    [InlineData(DataType.Bytes)]
    public async Task RunSamples_SequenceModel_HasAnIdOfTheTypeThatTheModelTakes(DataType idType)
    {
        const int Id = 4;
        var settings = SequenceFixture.Model(SequenceFixture.Controls(idType)) with
        {
            WarmUp =
            [
                new WarmUpSettings
                {
                    Name = "zeros",
                    RunCount = 2,
                    Inputs = [new WarmUpInput("IN", DataType.Int32, [1], WarmUpSource.Zeros, "")],
                },
            ],
        };
        await using var fixture = new SequenceFixture(settings);
        var ids = new List<byte[]>();
        fixture.Instance.Automatic = run =>
        {
            ids.Add(run.Input(Id)!);
            run.Finish(batch => batch.SetOutput(0, [1, 1], TestRequests.Bytes(0)));
        };
        await new WarmUpSamples(settings, fixture.Pool, BatcherFixture.Queued, fixture.Timer, fixture.Logger)
            .RunAsync(fixture.Batcher, CancellationToken.None);
        byte[] expected = idType == DataType.Bytes ? [1, 0, 0, 0, (byte)'1'] : [1, 0, 0, 0, 0, 0, 0, 0];
        Assert.Equal([expected, expected], ids);
    }

    private static Task WarmUp(BatcherFixture fixture) =>
        new ModelWarmUp(fixture.Batcher, fixture.Logger).RunAsync(CancellationToken.None);
}
