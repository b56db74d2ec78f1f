using System.Runtime.InteropServices;
using Sluice.Inference;
using Sluice.Scheduling.Loading;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Scheduling.Tests;

/// <summary>Samples of models with sequences: whole sequences of one step, whose controls the scheduler fills (spec §3.1, §3.5).</summary>
public sealed class WarmUpSequenceTests
{
    private static readonly OldestSettings Oldest = new() { MaxCandidateSequences = 8 };

    /// <summary>Strategy, rows of the sample, rows of the batches that the model gets.</summary>
    public static TheoryData<OldestSettings?, int, int, int[]> Samples => new()
    {
        { null, 4, 1, [1] },
        { null, 4, 4, [4] },
        { Oldest, 4, 3, [3] },
        { new OldestSettings { MaxCandidateSequences = 2 }, 4, 3, [2, 1] },
        { null, 0, 1, [1] },
        { Oldest, 0, 1, [1] },
    };

    [Theory]
    [MemberData(nameof(Samples))]
    public async Task Sample_OfSeveralRows_IsAsManySequencesInOneBatch(OldestSettings? oldest, int maxBatchSize, int rows, int[] batches)
    {
        var settings = SequenceFixture.Model(SequenceFixture.Controls() with { Oldest = oldest }, maxBatchSize) with { WarmUp = [Sample(rows, runs: 2, Input("IN"))] };
        var ids = new List<ulong>();
        var seen = await RunAsync(settings, run =>
        {
            foreach (var control in new[] { 1, 2, 3 })
                Assert.All(SequenceFixture.Ints(run, control), value => Assert.Equal(1, value));
            ids.AddRange(MemoryMarshal.Cast<byte, ulong>(run.Input(4)).ToArray());
        });
        Assert.Equal([.. batches, .. batches], seen);
        Assert.Equal([.. Enumerable.Range(1, rows), .. Enumerable.Range(1, rows)], ids.Select(id => (int)id));
    }

    [Theory]
    [InlineData(DataType.Int32, new byte[] { 1, 0, 0, 0 })]
    [InlineData(DataType.Int64, new byte[] { 1, 0, 0, 0, 0, 0, 0, 0 })]
    [InlineData(DataType.Bytes, new byte[] { 1, 0, 0, 0, (byte)'1' })]
    public async Task ListedControls_AreFilledByTheScheduler(DataType idType, byte[] id)
    {
        var sequence = SequenceFixture.Controls(idType) with { States = [SequenceFixture.State("", 1)] };
        var settings = SequenceFixture.Model(sequence) with
        {
            WarmUp = [Sample(1, 1, Input("IN"), Input("START"), Input("READY"), Input("END"), Input("CORRID", idType), Input("IN_STATE"))],
        };
        var seen = await RunAsync(settings, run =>
        {
            Assert.Equal([1, 1, 1], new[] { 1, 2, 3 }.Select(control => SequenceFixture.Ints(run, control)[0]));
            Assert.Equal(id, run.Input(4));
            Assert.Equal([0], SequenceFixture.Ints(run, 5));
        });
        Assert.Equal([1], seen);
    }

    [Fact]
    public async Task ModelThatHasRequestsRunAgain_RunsUntilTheEnd()
    {
        var instance = new ManualRequestInstance();
        var settings = SequenceFixture.Model(SequenceFixture.Controls() with { IsIterative = true }) with { WarmUp = [Sample(1, 1, Input("IN"))] };
        await using var fixture = new SequenceFixture(settings);
        var run = RunAsync(fixture, instance);
        for (var step = 0; step < 3; step++)
        {
            var group = await instance.NextAsync();
            Assert.Equal(step == 0 ? 1 : 0, group.Int(0, "START"));
            group.End(requests =>
            {
                if (step < 2)
                    requests.Reschedule(0);
                else
                    requests.Answer(0, requests.Rent(0));
            });
        }

        await run;
    }

    [Theory]
    [InlineData("START", DataType.Bool, 1, "inference input 'START' data-type is 'BOOL', but model 'fake' expects 'INT32'")]
    [InlineData("CORRID", DataType.Int64, 1, "inference input 'CORRID' data-type is 'INT64', but model 'fake' expects 'UINT64'")]
    [InlineData("BEGIN", DataType.Int32, 1, "expected 1 inputs but got 2 inputs for model 'fake'")]
    [InlineData("START", DataType.Int32, 5, "its batch-size 5 must be <= 4")]
    public async Task Sample_ThatDoesNotFit_FailsWithItsName(string input, DataType type, int rows, string expected)
    {
        var settings = SequenceFixture.Model(SequenceFixture.Controls()) with { WarmUp = [Sample(rows, 1, Input("IN"), Input(input, type))] };
        var failure = await Assert.ThrowsAsync<InferenceException>(() => RunAsync(settings, _ => Assert.Fail("it ran")));
        Assert.StartsWith("warm-up sample 's' of model 'fake' failed: ", failure.Message, StringComparison.Ordinal);
        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
    }

    private static WarmUpSettings Sample(int rows, int runs, params WarmUpInput[] inputs) =>
        new() { Name = "s", RowCount = rows, RunCount = runs, Inputs = [.. inputs] };

    private static WarmUpInput Input(string name, DataType type = DataType.Int32) => new(name, type, [1], WarmUpSource.Zeros, "");

    /// <summary>Runs the samples on one instance, and returns the rows of each batch.</summary>
    private static async Task<IReadOnlyList<int>> RunAsync(ModelSettings settings, Action<ManualRun> look)
    {
        await using var fixture = new SequenceFixture(settings);
        var instance = new ManualInstance();
        instance.Automatic = run =>
        {
            look(run);
            run.Finish(_ => run.SetOutput(0, run.Batch.Inputs[0].Shape.Dimensions, run.Input(0)!));
        };
        await RunAsync(fixture, instance);
        Assert.False(instance.IsDisposed);
        return instance.RowCounts;
    }

    private static Task RunAsync(SequenceFixture fixture, IModelInstance instance) =>
        new WarmUpSamples(fixture.Settings, fixture.Pool, BatcherFixture.Queued, fixture.Timer, fixture.Logger)
            .RunAsync(new FakeModel(new ModelDescription([], []), _ => throw new NotSupportedException()), [instance], CancellationToken.None)
            .WaitAsync(TimeSpan.FromSeconds(20));
}
