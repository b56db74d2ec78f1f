using Sluice.Conformance.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using static Sluice.Conformance.Tests.Infrastructure.Requests;

namespace Sluice.Conformance.Tests;

/// <summary>Index, load and unload in explicit mode (spec §0.5, §1.3, §1.8, §3.4).</summary>
[Collection(ConformanceGroup.Name)]
public sealed class RepositoryTests(ConformanceTarget target)
{
    [Fact]
    public async Task S1_8_Index_ModelNeverLoaded_HasOnlyItsName()
    {
        var index = await IndexAsync();
        Assert.Equal("READY", index.Single(entry => entry.Name == "simple").State);
        Assert.Equal(["1", "3"], index.Where(entry => entry is { Name: "versions", State: "READY" }).Select(entry => entry.Version).Order(StringComparer.Ordinal));
        Assert.All(await target.Grpc.GetRepositoryIndexAsync(readyOnly: true), entry => Assert.Equal("READY", entry.State));
        var json = (await target.PostAsync("/v2/repository/index", "")).Json;
        Assert.Equal(index.Count, json.GetArrayLength());
    }

    [Fact]
    public async Task S1_8_Unload_ThenTheModelIsUnknownUntilLoadedAgain()
    {
        await target.Grpc.LoadModelAsync("spare");
        Assert.True(await target.Grpc.IsModelReadyAsync("spare"));
        await target.Grpc.UnloadModelAsync("spare");
        Assert.False(await target.Grpc.IsModelReadyAsync("spare"));
        Assert.Equal(
            (InferenceCode.NotFound, "Request for unknown model: 'spare' has no available versions"),
            await target.FailAsync("ModelInfer", Infer("spare", Floats("INPUT0", [1], 1))));
        Assert.Equal(
            (InferenceCode.Unavailable, "Request for unknown model: 'spare' version 1 is not at ready state"),
            await target.FailAsync("ModelInfer", Infer("spare", Floats("INPUT0", [1], 1)).Change(request => request.ModelVersion = "1")));
        var http = await target.PostAsync("/v2/models/spare/versions/1/infer", "{\"inputs\":[]}");
        Assert.Equal((503, "Request for unknown model: 'spare' version 1 is not at ready state"), (http.Status, http.Error));
        Assert.Equal(
            (InferenceCode.InvalidArgument, "requested model 'spare' is not available"),
            await target.FailAsync("ModelStatistics", new ModelStatisticsRequest { Name = "spare" }));
        await Eventually(async () => (await IndexAsync()).Single(entry => entry.Name == "spare") is { State: "UNAVAILABLE", Reason: "unloaded" });
    }

    [Fact]
    public async Task S1_8_Unload_UnknownModel_IsNoError()
    {
        await target.Grpc.UnloadModelAsync("nobody");
        Assert.Equal(200, (await target.PostAsync("/v2/repository/models/nobody/unload", "")).Status);
    }

    [Fact]
    public async Task S1_8_Load_WithAConfig_HoldsUntilTheNextLoad()
    {
        var request = new RepositoryModelLoadRequest { ModelName = "auto" };
        request.Parameters["config"] = new ModelRepositoryParameter { StringParam = """{"max_batch_size":"16"}""" };
        await target.CallAsync<RepositoryModelLoadResponse>("RepositoryModelLoad", request);
        Assert.Equal(16, (await target.Grpc.GetModelConfigAsync("auto")).MaxBatchSize);
        await target.Grpc.LoadModelAsync("auto");
        Assert.Equal(4, (await target.Grpc.GetModelConfigAsync("auto")).MaxBatchSize);
    }

    [Fact]
    public async Task S1_8_Load_FailedOverride_LeavesTheOldOneServing()
    {
        var request = new RepositoryModelLoadRequest { ModelName = "simple" };
        request.Parameters["config"] = new ModelRepositoryParameter { StringParam = "\"parameters\": {\"config\": {{}}}" };
        var answer = await target.FailAsync("RepositoryModelLoad", request);
        Assert.NotEqual(InferenceCode.Ok, answer.Code);
        Expected.Text("*failed to load*", answer.Text);
        Assert.True(await target.Grpc.IsModelReadyAsync("simple"));
        Assert.Equal(2, (await target.CallAsync<ModelInferResponse>("ModelInfer", Infer("simple", Good))).Outputs.Count);
    }

    [Fact]
    public async Task S1_8_Load_FilesOnly_AreRefusedWithoutAConfig()
    {
        var request = new RepositoryModelLoadRequest { ModelName = "simple" };
        request.Parameters["file:1/model.onnx"] = new ModelRepositoryParameter { BytesParam = Google.Protobuf.ByteString.CopyFromUtf8("x") };
        Assert.NotEqual(InferenceCode.Ok, (await target.FailAsync("RepositoryModelLoad", request)).Code);
    }

    [Fact]
    public async Task S1_8_Load_FileThatCannotBeWritten_IsInternalAndTheServerLives()
    {
        var request = new RepositoryModelLoadRequest { ModelName = "simple" };
        request.Parameters["config"] = new ModelRepositoryParameter { StringParam = "{}" };
        request.Parameters["file:" + new string('A', 256)] = new ModelRepositoryParameter { BytesParam = Google.Protobuf.ByteString.CopyFromUtf8("a") };
        var answer = await target.FailAsync("RepositoryModelLoad", request);
        Assert.Equal(InferenceCode.Internal, answer.Code);
        Expected.Text("failed to load 'simple', failed to poll from model repository*", answer.Text);
        Assert.True(await target.Grpc.IsServerLiveAsync());
    }

    [Fact]
    public async Task S1_1_KServeLoad_HasTheNameInTheFirstField()
    {
        await target.CallAsync<RepositoryModelLoadResponse>("RepositoryModelLoad", new RepositoryModelLoadRequest { RepositoryName = "plain" });
        Assert.True(await target.Grpc.IsModelReadyAsync("plain"));
    }

    private static async Task Eventually(Func<Task<bool>> condition)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!await condition())
        {
            limit.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    private Task<IReadOnlyList<RepositoryIndexResponse.Types.ModelIndex>> IndexAsync() => target.Grpc.GetRepositoryIndexAsync();
}
