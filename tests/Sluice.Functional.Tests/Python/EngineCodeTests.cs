using System.Formats.Tar;
using System.IO.Compression;
using System.Text.Json;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Models;
using Sluice.Protocol.Codec;

namespace Sluice.Functional.Tests.Python;

/// <summary>Engines that are Python code: one <c>model.py</c> in the folder of backends serves many models that bring none.</summary>
[Collection(PythonGroup.Name)]
public sealed class EngineCodeTests
{
    // Multiplies by what the model's own file says; the file beside the engine's code is the engine's.
    private const string Multiply = """
        import json
        import os
        import numpy as np
        import triton_python_backend_utils as pb
        import arithmetic


        class TritonPythonModel:
            @staticmethod
            def auto_complete_config(config):
                config.add_input({"name": "X", "data_type": "TYPE_FP32", "dims": [-1]})
                config.add_output({"name": "Y", "data_type": "TYPE_FP32", "dims": [-1]})
                config.add_output({"name": "ABOUT", "data_type": "TYPE_STRING", "dims": [-1]})
                return config

            def initialize(self, args):
                with open(os.path.join(pb.get_model_dir(), "factor.json")) as file:
                    self.factor = json.load(file)
                config = json.loads(args["model_config"])
                self.about = [config["backend"], os.path.basename(args["model_repository"]), args["model_version"], args["model_instance_name"], __name__]

            def execute(self, requests):
                return [pb.InferenceResponse([
                    pb.Tensor("Y", arithmetic.multiply(pb.get_input_tensor_by_name(request, "X").as_numpy(), self.factor)),
                    pb.Tensor("ABOUT", np.array(self.about, dtype=object))]) for request in requests]
        """;

    private const string Arithmetic = "def multiply(a, b):\n    return (a * b).astype('float32')\n";

    [Fact]
    public async Task Engine_OfTheBackendFolder_RunsModelsThatBringNoCode()
    {
        await using var server = await StartAsync(folder =>
        {
            WriteEngine(folder, "multiply");
            WriteModel(folder, "twice", "multiply", 2);
            WriteModel(folder, "thrice", "multiply", 3);
        });
        using var client = server.CreateClient();
        Assert.Equal("8 multiply twice 1 twice_0 model", await InferAsync(client, "twice", 4));
        Assert.Equal("12 multiply thrice 1 thrice_0 model", await InferAsync(client, "thrice", 4));
        Assert.Equal("multiply", (await client.GetModelMetadataAsync("twice")).Platform);
        var config = await client.GetModelConfigAsync("twice");
        Assert.Equal(("multiply", "model.py", "X"), (config.Backend, config.Runtime, config.Input.Single().Name));
        Assert.Contains($"{Path.Combine(server.Folder, "backends", "multiply", "model.py")} |", server.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Engine_ThatComesAfterTheStart_IsFoundByTheNextLoad()
    {
        await using var server = await StartAsync(folder => WriteModel(folder, "late", "added", 5), ModelControlMode.Explicit);
        using var client = server.CreateClient();
        var failure = await Assert.ThrowsAsync<SluiceException>(() => client.LoadModelAsync("late"));
        Assert.Contains("unable to find backend 'added' for model 'late'", failure.Message, StringComparison.Ordinal);
        WriteEngine(server.Folder, "added");
        await client.LoadModelAsync("late");
        Assert.Equal("10 added late 1 late_0 model", await InferAsync(client, "late", 2));
    }

    [Theory]
    [InlineData("backend: \"../models/twice/1\"", "unable to find backend '../models/twice/1'")]
    [InlineData("backend: \"nobodys\" runtime: \"model.py\"", "unable to find Python backend based backend 'nobodys' for model 'wrong'")]
    public async Task Engine_ThatIsNoFolderOfTheBackends_IsAnErrorOfTheModel(string config, string expected)
    {
        await using var server = await StartAsync(
            folder =>
            {
                WriteModel(folder, "wrong", "", 1);
                File.WriteAllText(Path.Combine(folder, "models", "wrong", "config.pbtxt"), config);
                WriteModel(folder, "twice", "multiply", 2);
                File.WriteAllText(Path.Combine(folder, "models", "twice", "1", "model.py"), Multiply);
            },
            ModelControlMode.Explicit);
        using var client = server.CreateClient();
        var failure = await Assert.ThrowsAsync<SluiceException>(() => client.LoadModelAsync("wrong"));
        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(server.Folder, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Environment_BesideTheEngine_IsThatOfItsModels()
    {
        await using var server = await StartAsync(folder =>
        {
            var engine = WriteEngine(folder, "multiply");
            File.Delete(Path.Combine(engine, "arithmetic.py"));
            var packed = Directory.CreateDirectory(Path.Combine(folder, "packed")).FullName;
            File.WriteAllText(Path.Combine(packed, "arithmetic.py"), Arithmetic);
            using (var file = File.Create(Path.Combine(engine, "pb_exec_env_model.py.tar.gz")))
            using (var zip = new GZipStream(file, CompressionLevel.Fastest))
                TarFile.CreateFromDirectory(packed, zip, includeBaseDirectory: false);
            WriteModel(folder, "twice", "multiply", 2);
        });
        using var client = server.CreateClient();
        Assert.Equal("8 multiply twice 1 twice_0 model", await InferAsync(client, "twice", 4));
    }

    private static Task<OperatedServer> StartAsync(Action<string> prepare, ModelControlMode mode = ModelControlMode.None) =>
        OperatedServer.StartAsync((options, folder) =>
        {
            prepare(folder);
            return options with
            {
                BackendFolder = Directory.CreateDirectory(Path.Combine(folder, "backends")).FullName,
                ModelControlMode = mode,
            };
        });

    private static string WriteEngine(string folder, string name)
    {
        var engine = Directory.CreateDirectory(Path.Combine(folder, "backends", name)).FullName;
        File.WriteAllText(Path.Combine(engine, "arithmetic.py"), Arithmetic);
        File.WriteAllText(Path.Combine(engine, "model.py"), Multiply);
        return engine;
    }

    private static void WriteModel(string folder, string name, string backend, int factor)
    {
        var version = Directory.CreateDirectory(Path.Combine(folder, "models", name, "1")).FullName;
        File.WriteAllText(Path.Combine(version, "factor.json"), JsonSerializer.Serialize(factor));
        File.WriteAllText(Path.Combine(version, "..", "config.pbtxt"), $"backend: \"{backend}\"\n");
    }

    private static async Task<string> InferAsync(SluiceClient client, string model, float number)
    {
        using var result = await client.InferAsync(new InferRequestMessage
        {
            ModelName = model,
            Inputs = [InferInput.Create<float>("X", [number], 1)],
        });
        return $"{result.GetSpan<float>("Y")[0]} {string.Join(' ', result.GetStrings("ABOUT"))}";
    }
}
