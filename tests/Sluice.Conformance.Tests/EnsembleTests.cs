using System.Runtime.InteropServices;
using Sluice.Conformance.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Protocol.Inference;
using static Sluice.Conformance.Tests.Infrastructure.Requests;

namespace Sluice.Conformance.Tests;

/// <summary>Models that consist of models (spec §1.8, §3.5).</summary>
[Collection(ConformanceGroup.Name)]
public sealed class EnsembleTests(ConformanceTarget target)
{
    [Fact]
    public async Task S3_5_Ensemble_Answers_InItsOwnName()
    {
        var values = Enumerable.Range(0, 16).ToArray();
        var request = Infer("pipeline", (Tensor("INPUT0", "INT32", 1, 16), Bytes(values)), Ints("INPUT1", 16, 1, 16)).Change(r => r.Id = "e");
        var response = await target.CallAsync<ModelInferResponse>("ModelInfer", request);
        Assert.Equal(("pipeline", "1", "e"), (response.ModelName, response.ModelVersion, response.Id));
        Assert.Equal(["OUTPUT0", "OUTPUT1"], response.Outputs.Select(output => output.Name));
        Assert.Equal(values.Select(value => 2 * value), MemoryMarshal.Cast<byte, int>(response.RawOutputContents[0].Span).ToArray());
        Assert.Equal("ensemble", (await target.Grpc.GetModelMetadataAsync("pipeline")).Platform);
    }

    [Fact]
    public async Task S3_5_Ensemble_RequestedOutput_AloneIsAnswered()
    {
        var response = await target.CallAsync<ModelInferResponse>("ModelInfer", Infer("pipeline", Good).Asking("OUTPUT1"));
        Assert.Equal("OUTPUT1", Assert.Single(response.Outputs).Name);
    }

    [Fact]
    public async Task S3_5_Ensemble_RequestThatDoesNotFit_IsRefusedAsByAnyModel() => Assert.Equal(
        (InferenceCode.InvalidArgument, "[request id: <id_unknown>] inference request batch-size must be <= 8 for 'pipeline'"),
        await target.FailAsync("ModelInfer", Infer("pipeline", Ints("INPUT0", 144, 9, 16), Ints("INPUT1", 144, 9, 16))));

    [Fact]
    public async Task S3_5_Ensemble_FailureOfAStep_NamesTheEnsemble()
    {
        await using var stream = target.Grpc.OpenInferStream();
        await stream.WriteAsync(new InferRequestMessage { ModelName = "squares", Id = "f", Inputs = [InferInput.Create<int>("IN", [3], 1)] });
        using (var first = await stream.ReadAsync())
            Assert.Null(first!.Error);
        using (var second = await stream.ReadAsync())
            Assert.StartsWith("in ensemble 'squares', ", second!.Error, StringComparison.Ordinal);
        stream.Complete();
    }

    [Fact]
    public async Task S4_Ensemble_HasStatisticsOfItsOwn()
    {
        var before = Assert.Single(await target.Grpc.GetModelStatisticsAsync("pipeline"));
        await target.CallAsync<ModelInferResponse>("ModelInfer", Infer("pipeline", Ints("INPUT0", 32, 2, 16), Ints("INPUT1", 32, 2, 16)));
        var after = Assert.Single(await target.Grpc.GetModelStatisticsAsync("pipeline"));
        Assert.Equal((2ul, 1ul), (after.InferenceCount - before.InferenceCount, after.ExecutionCount - before.ExecutionCount));
        Assert.Equal(1ul, after.InferenceStats.ComputeInfer.Count - before.InferenceStats.ComputeInfer.Count);
    }

    [Fact]
    public async Task S1_8_UnloadOfAStep_MakesTheEnsembleUnavailable()
    {
        await target.Grpc.UnloadModelAsync("simple");
        try
        {
            Assert.False(await target.Grpc.IsModelReadyAsync("pipeline"));
        }
        finally
        {
            await target.Grpc.LoadModelAsync("simple");
            await target.Grpc.LoadModelAsync("pipeline");
        }

        Assert.True(await target.Grpc.IsModelReadyAsync("pipeline"));
    }
}
