using System.Text.Json;
using Sluice.Conformance.Tests.Infrastructure;

namespace Sluice.Conformance.Tests;

/// <summary>Metadata and the normalised configuration (spec §0.7, §0.8, §1.2, §1.8, §2.1, §3.1 to §3.3).</summary>
[Collection(ConformanceGroup.Name)]
public sealed class ConfigTests(ConformanceTarget target)
{
    [Fact]
    public async Task S1_8_ServerMetadata_NamesTheServerAndItsExtensions()
    {
        var metadata = await target.Grpc.GetServerMetadataAsync();
        Assert.Equal("triton", metadata.Name);
        string[] known =
        [
            "classification", "sequence", "model_repository", "model_repository(unload_dependents)", "schedule_policy", "model_configuration",
            "system_shared_memory", "cuda_shared_memory", "binary_tensor_data", "parameters", "statistics", "trace", "logging",
        ];
        Assert.Equal(known, metadata.Extensions);
        var json = (await target.GetAsync("/v2")).Json;
        Assert.Equal((metadata.Name, metadata.Version), (json.GetProperty("name").GetString(), json.GetProperty("version").GetString()));
        Assert.Equal(metadata.Extensions, json.GetProperty("extensions").EnumerateArray().Select(item => item.GetString()));
    }

    [Fact]
    public async Task S1_2_ModelMetadata_HasABatchDimensionAndWireTypes()
    {
        var metadata = await target.Grpc.GetModelMetadataAsync("simple");
        Assert.Equal(("simple", "onnxruntime"), (metadata.Name, metadata.Platform[..11]));
        Assert.Equal(["1"], metadata.Versions);
        Assert.All(metadata.Inputs.Concat(metadata.Outputs), tensor => Assert.Equal("INT32", tensor.Datatype));
        Assert.All(metadata.Inputs.Concat(metadata.Outputs), tensor => Assert.Equal([-1, 16], tensor.Shape));
        var texts = Assert.Single((await target.Grpc.GetModelMetadataAsync("texts")).Inputs);
        Assert.Equal("BYTES", texts.Datatype);
        Assert.Equal([2, -1], (await target.Grpc.GetModelMetadataAsync("plain")).Inputs[0].Shape);
    }

    [Fact]
    public async Task S1_2_ModelMetadata_Versions_AreAllReadyOnesOrTheOneAskedFor()
    {
        Assert.Equal(["1", "3"], (await target.Grpc.GetModelMetadataAsync("versions")).Versions.Order(StringComparer.Ordinal));
        Assert.Equal(["3"], (await target.Grpc.GetModelMetadataAsync("versions", "3")).Versions);
        var json = (await target.GetAsync("/v2/models/versions/versions/1")).Json;
        Assert.Equal("1", Assert.Single(json.GetProperty("versions").EnumerateArray()).GetString());
    }

    [Fact]
    public async Task S3_2_Config_Absent_IsCompletedFromTheFile()
    {
        var config = await ConfigAsync("auto");
        Expect(config, "name", "\"auto\"");
        Expect(config, "platform", "\"onnxruntime_onnx\"");
        Expect(config, "backend", "\"onnxruntime\"");
        Expect(config, "max_batch_size", "4");
        Expect(config, "default_model_filename", "\"model.onnx\"");
        Expect(config, "dynamic_batching.preferred_batch_size", "[4]");
        Expect(config, "version_policy.latest.num_versions", "1");
        Expect(config, "optimization.input_pinned_memory.enable", "true");
        Expect(config, "optimization.output_pinned_memory.enable", "true");
        Expect(config, "input.0.name", "\"INPUT0\"");
        Expect(config, "input.0.data_type", "\"TYPE_INT32\"");
        Expect(config, "input.1.dims", "[16]");
        Expect(config, "output.1.name", "\"OUTPUT1\"");
    }

    [OwnServerFact]
    public async Task S0_7_InstanceGroup_Absent_IsNamedAfterTheModelAndHasTwoForOnnxOnTheCpu()
    {
        foreach (var (model, count) in new[] { ("auto", "2"), ("simple", "2"), ("batched", "1") })
        {
            var config = await ConfigAsync(model);
            Expect(config, "instance_group.0.name", $"\"{model}\"");
            Expect(config, "instance_group.0.count", count);
            Expect(config, "instance_group.0.kind", "\"KIND_CPU\"");
        }
    }

    [Fact]
    public async Task S3_2_DynamicBatching_WithoutSizes_PrefersTheLargest()
    {
        Expect(await ConfigAsync("batched"), "dynamic_batching.preferred_batch_size", "[8]");
        Assert.False((await ConfigAsync("counted")).TryGetProperty("dynamic_batching", out _));
    }

    [Fact]
    public async Task S3_2_Name_Absent_IsTheFolders() => Expect(await ConfigAsync("plain"), "name", "\"plain\"");

    [Fact]
    public async Task S3_1_TextFormat_EveryLibertyOfIt_IsRead()
    {
        var config = await ConfigAsync("parsed");
        Expect(config, "name", "\"parsed\"");
        Expect(config, "backend", "\"identity\"");
        Expect(config, "max_batch_size", "16");
        Expect(config, "input.0.data_type", "\"TYPE_FP32\"");
        Expect(config, "input.0.dims", "[2,3]");
        Expect(config, "output.0.dims", "[2,3]");
        Expect(config, "instance_group.0.name", "\"parsed_0\"");
        Expect(config, "instance_group.0.count", "2");
        Expect(config, "instance_group.1.name", "\"named\"");
        Expect(config, "dynamic_batching.preferred_batch_size", "[4,8]");
        Expect(config, "dynamic_batching.max_queue_delay_microseconds", "100");
        Expect(config, "dynamic_batching.priority_levels", "2");
        Expect(config, "dynamic_batching.priority_queue_policy.1.timeout_action", "\"DELAY\"");
        Expect(config, "dynamic_batching.priority_queue_policy.1.max_queue_size", "10");
        Assert.Equal("line\n\"quoted\" ü", Find(config, "parameters.a.string_value")!.Value.GetString());
    }

    [Fact]
    public async Task S1_2_GrpcConfig_SaysTheSame()
    {
        var config = await target.Grpc.GetModelConfigAsync("parsed");
        Assert.Equal(("parsed", "identity", 16), (config.Name, config.Backend, config.MaxBatchSize));
        Assert.Equal("line\n\"quoted\" ü", config.Parameters["a"].StringValue);
        Assert.Equal([4, 8], config.DynamicBatching.PreferredBatchSize);
        Assert.True(config.Optimization.InputPinnedMemory.Enable);
    }

    private static void Expect(JsonElement config, string path, string json)
    {
        var found = Find(config, path);
        Assert.True(found is not null, $"{path} is not in {config}");
        Assert.Equal(json, JsonSerializer.Serialize(found.Value));
    }

    private static JsonElement? Find(JsonElement config, string path)
    {
        var at = config;
        foreach (var step in path.Split('.'))
        {
            if (at.ValueKind == JsonValueKind.Array)
                at = at[int.Parse(step, System.Globalization.CultureInfo.InvariantCulture)];
            else if (!at.TryGetProperty(step, out at))
                return null;
        }

        return at;
    }

    private async Task<JsonElement> ConfigAsync(string model)
    {
        var answer = await target.GetAsync($"/v2/models/{model}/config");
        Assert.Equal(200, answer.Status);
        return answer.Json;
    }
}
