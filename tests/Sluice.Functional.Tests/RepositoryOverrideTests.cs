using System.Text.Json;
using Google.Protobuf;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Protocol.Inference;
using Sluice.Testing;
using static Sluice.Functional.Tests.Infrastructure.SharedMemoryClient;

namespace Sluice.Functional.Tests;

/// <summary>Loading models with configurations and files that come with the request (spec §1.8).</summary>
public sealed class RepositoryOverrideTests : IAsyncLifetime
{
    private const string Config =
        """{"backend":"onnxruntime","max_batch_size":3,"input":[{"name":"INPUT0","data_type":"TYPE_INT32","dims":["16"]},{"name":"INPUT1","dataType":"TYPE_INT32","dims":[16]}],"output":[{"name":"OUTPUT0","data_type":"TYPE_INT32","dims":[16]},{"name":"OUTPUT1","data_type":"TYPE_INT32","dims":[16]}]}""";

    private OwnServer _server = null!;

    private static byte[] AddSub => File.ReadAllBytes(Path.Combine(GoldenSet.FolderOf("onnx"), "add_sub_int32", "model.onnx"));

    public async Task InitializeAsync() => _server = await OwnServer.StartAsync(
        options => options with { ModelControlMode = ModelControlMode.Explicit }, "add_sub_int32", "wide");

    public async Task DisposeAsync()
    {
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task Load_Files_MakeAModelThatNoRepositoryHas()
    {
        await LoadAsync("sent", Config, ("1/model.onnx", AddSub), ("/4/model.onnx", AddSub), ("readme.txt", [1]));
        var metadata = await _server.Grpc.GetModelMetadataAsync("sent");
        Assert.Equal(["4"], metadata.Versions);
        Assert.Equal(3, (await _server.Grpc.GetModelConfigAsync("sent")).MaxBatchSize);
        await InferAsync("sent");
        await _server.Grpc.UnloadModelAsync("sent");
        await Eventually.TrueAsync(
            () => IsUnloaded("sent"), () => "the model is not unloaded");
    }

    [Fact]
    public async Task Load_FilesOfAKnownModel_LastUntilTheNextLoadFromDisk()
    {
        await _server.Grpc.LoadModelAsync("wide");
        await LoadAsync("wide", Config, ("7/model.onnx", AddSub));
        Assert.Equal(["7"], (await _server.Grpc.GetModelMetadataAsync("wide")).Versions);
        await InferAsync("wide");
        await _server.Grpc.LoadModelAsync("wide");
        var metadata = await _server.Grpc.GetModelMetadataAsync("wide");
        Assert.Equal((["1"], "OUTPUT0"), (metadata.Versions, Assert.Single(metadata.Outputs).Name));
    }

    [Fact]
    public async Task Load_ConfigAlone_LastsUntilTheNextLoad()
    {
        await LoadAsync("add_sub_int32", Config);
        Assert.Equal(3, (await _server.Grpc.GetModelConfigAsync("add_sub_int32")).MaxBatchSize);
        await _server.Grpc.LoadModelAsync("add_sub_int32");
        Assert.Equal(8, (await _server.Grpc.GetModelConfigAsync("add_sub_int32")).MaxBatchSize);
    }

    [Fact]
    public async Task Load_BadFiles_KeepWhatServed()
    {
        await _server.Grpc.LoadModelAsync("add_sub_int32");
        var failure = await FailsAsync(
            LoadAsync("add_sub_int32", Config, ("1/model.onnx", [1, 2, 3])), InferenceCode.InvalidArgument);
        Assert.StartsWith("load failed for model 'add_sub_int32': version 1 is at UNAVAILABLE state:", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Path.GetTempPath(), failure.Message, StringComparison.Ordinal);
        await InferAsync("add_sub_int32");
        failure = await FailsAsync(LoadAsync("sent", Config, ("model.onnx", AddSub)), InferenceCode.InvalidArgument);
        Assert.Contains("at least one version must be available", failure.Message, StringComparison.Ordinal);
        _server.ExpectErrors();
    }

    [Theory]
    [InlineData("../model.onnx")]
    [InlineData("1/../../x")]
    [InlineData("//etc/x")]
    [InlineData("/../x")]
    [InlineData("/")]
    [InlineData("1//x")]
    [InlineData("")]
    [InlineData("1/.")]
    [InlineData("1\\..\\x")]
    public async Task Load_FileOutsideTheModel_IsRefused(string path)
    {
        var failure = await FailsAsync(LoadAsync("sent", Config, (path, [1])), InferenceCode.InvalidArgument);
        Assert.Equal($"failed to load 'sent', load parameter 'file:{path}' must name a file inside the model's folder", failure.Message);
    }

    [Fact]
    public async Task Load_BadParameters_AreRefusedInTheWordsThatClientsKnow()
    {
        foreach (var (key, value, message) in new (string Key, ModelRepositoryParameter Value, string Message)[]
        {
            ("config", new() { BoolParam = true }, "invalid value type for load parameter 'config', expected string_param."),
            ("file:1/m", new() { StringParam = "" }, "invalid value type for load parameter 'file:1/m', expected bytes_param."),
            ("configs", new() { StringParam = "{}" }, "unrecognized load parameter 'configs'."),
            ("file:1/m", new() { BytesParam = ByteString.Empty }, "failed to load 'wide', a 'config' parameter must be given together with 'file:' parameters"),
        })
        {
            var request = new RepositoryModelLoadRequest { ModelName = "wide", Parameters = { [key] = value } };
            var failure = await FailsAsync(_server.CallAsync<RepositoryModelLoadResponse>("RepositoryModelLoad", request), InferenceCode.InvalidArgument);
            Assert.Equal(message, failure.Message);
        }
    }

    [Fact]
    public async Task Load_BadNames_AreRefusedInTheWordsThatClientsKnow()
    {
        foreach (var (name, message) in new[]
        {
            ("", "Model name cannot be empty. Please enter a valid name to deploy."),
            ("../wide", "invalid model name '../wide', model name must not contain path traversal characters"),
        })
            Assert.Equal(message, (await FailsAsync(_server.Grpc.LoadModelAsync(name), InferenceCode.InvalidArgument)).Message);
        var failure = await FailsAsync(_server.Grpc.LoadModelAsync("nowhere"), InferenceCode.Internal);
        Assert.Equal("failed to load 'nowhere', failed to poll from model repository", failure.Message);
    }

    /// <summary>KServe's contract has the model's name in the field that here is the repository's.</summary>
    [Fact]
    public async Task LoadAndUnload_NameInTheFirstField_IsTheModels()
    {
        await _server.CallAsync<RepositoryModelLoadResponse>("RepositoryModelLoad", new RepositoryModelLoadRequest { RepositoryName = "wide" });
        Assert.True(await _server.Grpc.IsModelReadyAsync("wide"));
        await _server.CallAsync<RepositoryModelUnloadResponse>("RepositoryModelUnload", new RepositoryModelUnloadRequest { RepositoryName = "wide" });
        Assert.False(await _server.Grpc.IsModelReadyAsync("wide"));
        var failure = await FailsAsync(
            _server.CallAsync<RepositoryModelLoadResponse>(
                "RepositoryModelLoad", new RepositoryModelLoadRequest { RepositoryName = "r", ModelName = "wide" }),
            InferenceCode.Unimplemented);
        Assert.Equal("'repository_name' specification is not supported", failure.Message);
    }

    [Fact]
    public async Task Unload_Dependents_IsABool()
    {
        var request = new RepositoryModelUnloadRequest { ModelName = "never loaded" };
        request.Parameters["unload_dependents"] = new ModelRepositoryParameter { BoolParam = true };
        await _server.CallAsync<RepositoryModelUnloadResponse>("RepositoryModelUnload", request);
        request.Parameters["unload_dependents"] = new ModelRepositoryParameter { StringParam = "true" };
        await FailsAsync(_server.CallAsync<RepositoryModelUnloadResponse>("RepositoryModelUnload", request), InferenceCode.InvalidArgument);
    }

    [Fact]
    public async Task Index_AllStates_AreAsClientsKnowThem()
    {
        Directory.CreateDirectory(Path.Combine(_server.Repository, "broken", "1"));
        await File.WriteAllTextAsync(Path.Combine(_server.Repository, "broken", "config.pbtxt"), "nme: 'x'");
        await _server.Grpc.LoadModelAsync("wide");
        await _server.Grpc.LoadModelAsync("add_sub_int32");
        await _server.Grpc.UnloadModelAsync("add_sub_int32");
        await Eventually.TrueAsync(() => IsUnloaded("add_sub_int32"), () => "the model is not unloaded");
        await FailsAsync(_server.Grpc.LoadModelAsync("broken"), InferenceCode.InvalidArgument);
        _server.ExpectErrors();
        Directory.CreateDirectory(Path.Combine(_server.Repository, "untried", "1"));
        var (status, text) = await _server.PostAsync("/v2/repository/index", "");
        Assert.Equal(200, status);
        using var json = JsonDocument.Parse(text);
        var models = json.RootElement.EnumerateArray().ToDictionary(model => model.GetProperty("name").GetString()!, model => model);
        Assert.Equal("""{"name":"wide","version":"1","state":"READY"}""", models["wide"].GetRawText());
        Assert.Equal("""{"name":"add_sub_int32","version":"1","state":"UNAVAILABLE","reason":"unloaded"}""", models["add_sub_int32"].GetRawText());
        Assert.Equal("""{"name":"untried"}""", models["untried"].GetRawText());
        var reason = models["broken"].GetProperty("reason").GetString()!;
        Assert.Contains("broken/config.pbtxt:1:", reason, StringComparison.Ordinal);
        Assert.DoesNotContain(_server.Repository, reason, StringComparison.Ordinal);
        (_, text) = await _server.PostAsync("/v2/repository/index", """{"ready":true}""");
        Assert.Equal("""[{"name":"wide","version":"1","state":"READY"}]""", text);
        Assert.Equal(501, (await _server.PostAsync("/v2/repository/other/index", "")).Status);
    }

    [Fact]
    public async Task Http_LoadWithFilesAndUnload_WorkAsOverGrpc()
    {
        var body = JsonSerializer.Serialize(new Dictionary<string, object>
        {
            ["parameters"] = new Dictionary<string, string> { ["config"] = Config, ["file:1/model.onnx"] = Convert.ToBase64String(AddSub) },
        });
        Assert.Equal((200, ""), await _server.PostAsync("/v2/repository/models/by%20http/load", body));
        await InferAsync("by http");
        Assert.Equal((200, ""), await _server.PostAsync("/v2/repository/models/by%20http/unload", """{"parameters":{"unload_dependents":true}}"""));
        Assert.Equal(400, (await _server.PostAsync("/v2/repository/models/by%20http/unload", """{"parameters":{"unload_dependents":1}}""")).Status);
        Assert.Equal(
            (501, "{\"error\":\"'repository_name' specification is not supported\"}"),
            await _server.PostAsync("/v2/repository/r/models/wide/load", ""));
        Assert.Equal(
            (400, "{\"error\":\"invalid value type for load parameter 'config', expected string_param.\"}"),
            await _server.PostAsync("/v2/repository/models/wide/load", """{"parameters":{"config":1}}"""));
    }

    private async Task LoadAsync(string name, string config, params (string Path, byte[] Content)[] files)
    {
        var request = new RepositoryModelLoadRequest { ModelName = name };
        request.Parameters["config"] = new ModelRepositoryParameter { StringParam = config };
        foreach (var (path, content) in files)
            request.Parameters["file:" + path] = new ModelRepositoryParameter { BytesParam = ByteString.CopyFrom(content) };
        await _server.CallAsync<RepositoryModelLoadResponse>("RepositoryModelLoad", request);
    }

    private async Task InferAsync(string model)
    {
        var request = new ModelInferRequest { ModelName = model };
        foreach (var name in new[] { "INPUT0", "INPUT1" })
        {
            request.Inputs.Add(new ModelInferRequest.Types.InferInputTensor { Name = name, Datatype = "INT32", Shape = { 1, 16 } });
            request.RawInputContents.Add(Raw([.. Enumerable.Range(0, 16)]));
        }

        var response = await _server.CallAsync<ModelInferResponse>("ModelInfer", request);
        Assert.Equal(Raw([.. Enumerable.Range(0, 16).Select(i => 2 * i)]), response.RawOutputContents[0]);
    }

    private bool IsUnloaded(string model)
    {
        var index = _server.Grpc.GetRepositoryIndexAsync().GetAwaiter().GetResult();
        return index.Where(entry => entry.Name == model).All(entry => entry.Reason == "unloaded");
    }
}
