using System.Formats.Tar;
using System.IO.Compression;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Server;

namespace Sluice.Functional.Tests.Python;

/// <summary>What fails at a load says what to do; environments are a model's own.</summary>
public sealed class PythonLoadTests
{
    private const string Config = """
        backend: "python"
        input { name: "X" data_type: TYPE_FP32 dims: 1 }
        output { name: "Y" data_type: TYPE_STRING dims: 1 }
        """;

    private const string Answering = """
        import numpy as np
        import triton_python_backend_utils as pb_utils


        class TritonPythonModel:
            def execute(self, requests):
                import packaged
                return [pb_utils.InferenceResponse([pb_utils.Tensor("Y", np.array([packaged.NAME], dtype=object))]) for _ in requests]
        """;

    [Theory]
    [InlineData("import no_such_package", "module 'no_such_package' is not installed for the Python interpreter /")]
    [InlineData("raise RuntimeError('at the import')", "RuntimeError: at the import")]
    [InlineData("x = 1", "has no class TritonPythonModel")]
    [InlineData("class TritonPythonModel:\n    def initialize(self, args):\n        raise ValueError('at the start')\n    def execute(self, r):\n        pass", "ValueError: at the start")]
    [InlineData("class TritonPythonModel:\n    pass", "has no method 'execute'")]
    [InlineData("import os\nos._exit(7)", "it exited with code 7")]
    [InlineData("def execute(:", "SyntaxError")]
    public async Task Load_OfCodeThatFails_SaysWhy(string code, string message)
    {
        await using var server = await StartAsync(code, Config);
        Assert.True(server.Log.Contains(message, StringComparison.Ordinal), server.Log);
        Assert.False(await server.CreateClient().IsModelReadyAsync("own"));
        await OperatedServer.InferAsync(server.CreateClient());
    }

    [Fact]
    public async Task Server_WithoutNumpy_StartsAndSaysWhatToInstall()
    {
        await using var server = await StartAsync(Answering, Config, (options, _) => options with { Python = "/bin/false" });
        Assert.Contains("apt-get install python3-numpy", server.Log, StringComparison.Ordinal);
        await OperatedServer.InferAsync(server.CreateClient());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Environment_FolderOrPacked_IsImportedFrom(bool isPacked)
    {
        await using var server = await StartAsync(
            Answering, Config + """parameters { key: "EXECUTION_ENV_PATH" value { string_value: "$$TRITON_MODEL_DIRECTORY/env""" +
                (isPacked ? ".tar.gz" : "") + "\" } }",
            (options, folder) =>
            {
                var environment = Directory.CreateDirectory(Path.Combine(folder, "models", "own", "env")).FullName;
                File.WriteAllText(Path.Combine(environment, "packaged.py"), "NAME = 'of the environment'");
                if (!isPacked)
                    return options;
                using (var file = File.Create($"{environment}.tar.gz"))
                using (var zip = new GZipStream(file, CompressionLevel.Fastest))
                    TarFile.CreateFromDirectory(environment, zip, includeBaseDirectory: false);
                Directory.Delete(environment, recursive: true);
                return options;
            });
        using var http = server.CreateHttp();
        var (_, body) = await PythonRequests.PostAsync(
            http, "own", """{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[1]}]}""");
        Assert.Contains("of the environment", body.GetRawText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sequences_OfAModelWithTwoInstances_AreRefused()
    {
        await using var server = await StartAsync(Answering, Config + "sequence_batching { }\ninstance_group { count: 2 }");
        Assert.Contains("'sequence_batching', which this server does not support yet", server.Log, StringComparison.Ordinal);
    }

    private static Task<OperatedServer> StartAsync(
        string code, string config, Func<ServerOptions, string, ServerOptions>? change = null) =>
        OperatedServer.StartAsync((options, folder) =>
        {
            var version = Directory.CreateDirectory(Path.Combine(folder, "models", "own", "1")).FullName;
            File.WriteAllText(Path.Combine(version, "model.py"), code);
            File.WriteAllText(Path.Combine(version, "..", "config.pbtxt"), config);
            return change is null ? options : change(options, folder);
        });
}
