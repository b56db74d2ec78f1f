using Sluice.Functional.Tests.Python;

namespace Sluice.Functional.Tests.Control;

/// <summary>What users' code finds around it: the libraries, its own modules, its record, its environment.</summary>
[Collection(PythonGroup.Name)]
public sealed class EndpointCodeTests
{
    private const string Grey = """
        import colorsys

        class Preprocess:
            def process(self, data, state, collect_custom_statistics_fn=None):
                return {"grey": colorsys.rgb_to_hsv(1, 1, 1)[2]}
        """;

    [Theory]
    [InlineData("colorsys.py", Grey)]
    [InlineData("code/__init__.py", Grey, "code/colorsys.py", "raise ImportError('not the library')")]
    [InlineData("code/__init__.py", "from .colorsys import Preprocess", "code/colorsys.py", Grey)]
    [InlineData("code/__init__.py", "from Preprocess import Preprocess", "code/Preprocess.py", Grey)]
    [InlineData("preprocess.py", "import clearml\nassert not hasattr(clearml, 'Task')\n" + Grey)]
    [InlineData("code/preprocess.py", Grey, "code/colorsys.py", "raise ImportError('not the library')")]
    [InlineData("code/__init__.py", "from .sub import helper_of_this_test\n" + Grey, "code/sub/__init__.py", "", "code/sub/helper_of_this_test.py", "import other_of_this_test", "code/other_of_this_test.py", "")]
    public async Task FilesOfCode_HideNoLibrary_AndFindEachOther(params string[] files)
    {
        await using var server = await ControlledServer.StartAsync();
        await server.CreateServiceAsync();
        for (var i = 0; i < files.Length; i += 2)
            await WriteAsync(server, files[i], files[i + 1]);
        await AddAsync(server, "custom", files[0].Split('/')[0]);
        Assert.Equal((200, """{"grey":1}"""), await CallAsync(server));
    }

    [Fact]
    public async Task Record_HasItsFieldsOnly_AndPrints()
    {
        await using var server = await ControlledServer.StartAsync();
        await server.CreateServiceAsync();
        await WriteAsync(server, "preprocess.py", """
            class Preprocess:
                def process(self, data, state, collect_custom_statistics_fn=None):
                    record = self.model_endpoint
                    return [hasattr(record, "nothing"), getattr(record, "nothing", "other"), record.model_id, record.version, str(record).startswith("ModelEndpoint(engine_type='custom', serving_url='own', model_id=None, ")]
            """);
        await AddAsync(server, "custom", "preprocess.py");
        Assert.Equal((200, """[false,"other",null,"",true]"""), await CallAsync(server));
    }

    [Fact]
    public async Task CodeAroundTheServersModel_HasSettingsOfItsOwn()
    {
        await using var server = await ControlledServer.StartAsync();
        await server.CreateServiceAsync();
        var model = await server.UploadAsync("add_sub_int32");
        await WriteAsync(server, "library/library_of_this_test.py", "ONE = 1");
        await WriteAsync(server, "preprocess.py", """
            import numpy as np
            import library_of_this_test as library

            class Preprocess:
                def preprocess(self, body, state, collect_custom_statistics_fn=None):
                    return np.full((1, 16), library.ONE), np.full((1, 16), library.ONE)

                def postprocess(self, data, state, collect_custom_statistics_fn=None):
                    return data[0].tolist()[:2]
            """);
        await AddAsync(
            server, "triton", "preprocess.py", "--model-id", model, "--input-name", "INPUT0", "INPUT1", "--input-type", "int32", "int32",
            "--input-size", "[16]", "[16]", "--output-name", "OUTPUT0", "--output-type", "int32", "--output-size", "[16]",
            "--aux-config", "max_batch_size=4", $"python.import_paths=\"{Path.Combine(server.Folder, "library")}\"");
        Assert.Equal((200, "[2,2]"), await CallAsync(server));
    }

    [Theory]
    [InlineData(3, null, null, 3)]
    [InlineData(3, "2", null, 2)]
    [InlineData(1, "2", "4", 4)]
    public async Task SettingsOfTheOperator_HoldForEndpoints_AndGiveWayToTheirOwn(int workers, string? ofEngine, string? own, int expected)
    {
        await using var server = await ControlledServer.StartAsync(change: options => options with
        {
            BackendConfig = ofEngine is null ? [] : [("python", "environment", "ONE=1"), ("python", "workers", ofEngine), ("python", "requirements", "$$TRITON_MODEL_DIRECTORY/of-models")],
            ControlPlane = options.ControlPlane! with { EndpointWorkers = workers },
        });
        await server.CreateServiceAsync();
        var note = Path.Combine(server.Folder, "note");
        await WriteAsync(server, "preprocess.py", $$"""
            import os

            class Preprocess:
                def __init__(self):
                    with open("{{note}}", "a") as file:
                        file.write("+")

                def process(self, data, state, collect_custom_statistics_fn=None):
                    return os.environ.get("ONE")
            """);
        string[] more = own is null ? [] : ["--aux-config", $"python.workers={own}", "python.environment=\"ONE=2\""];
        await AddAsync(server, "custom", "preprocess.py", more);
        Assert.Equal((200, own is not null ? "\"2\"" : ofEngine is not null ? "\"1\"" : "null"), await CallAsync(server));
        Assert.Equal(expected, (await File.ReadAllTextAsync(note)).Length);
    }

    [Theory]
    [InlineData("custom", "def unload(self):")]
    [InlineData("custom_async", "async def unload(self):")]
    [InlineData("custom", "def __del__(self):")]
    [InlineData("custom_async", "def __del__(self):")]
    public async Task End_IsToldToTheCode(string engine, string method)
    {
        await using var server = await ControlledServer.StartAsync();
        await server.CreateServiceAsync();
        var note = Path.Combine(server.Folder, "note");
        await WriteAsync(server, "preprocess.py", $"""
            class Preprocess:
                def __init__(self):
                    self.cycle = self.__init__

                {method}
                    with open("{note}", "a") as file:
                        file.write("end")
            """);
        await AddAsync(server, engine, "preprocess.py");
        Assert.Equal((200, "null"), await CallAsync(server));
        await server.DoAsync("model", "remove", "--endpoint", "own");
        await Infrastructure.Eventually.TrueAsync(() => File.Exists(note) && File.ReadAllText(note) == "end", () => "the code was not told");
    }

    [Theory]
    [InlineData("[1, 2, 3, 4]", 200, "")]
    [InlineData("[1, 2, 3, null]", 200, "")]
    [InlineData("[1, 2, 3]", 422, "features")]
    [InlineData("[1, 2, 3, 4, 5]", 422, "features")]
    public async Task RowsOfAnotherWidth_AreRefusedAsByLightGbm(string row, int status, string detail)
    {
        await using var server = await ControlledServer.StartAsync();
        await server.CreateServiceAsync();
        var golden = Path.Combine(Sluice.Testing.GoldenSet.FolderOf("clearml"), "lightgbm_xn");
        await server.DoAsync("model", "upload", "--name", "m", "--project", "p", "--framework", "lightgbm", "--path", Path.Combine(golden, "lgbm_model"));
        await WriteAsync(server, "preprocess.py", """
            class Preprocess:
                def preprocess(self, body, state, collect_custom_statistics_fn=None):
                    return [body["row"]]

                def postprocess(self, data, state, collect_custom_statistics_fn=None):
                    return data.tolist()
            """);
        await AddAsync(server, "lightgbm", "preprocess.py", "--name", "m");
        var (found, body) = await CallAsync(server, $$"""{"row": {{row}}}""");
        Assert.Equal(status, found);
        Assert.Contains(detail, body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("from clearml import StorageManager, Task")]
    [InlineData("import clearml\nclearml.Task.init()")]
    public async Task PackageThatIsMissing_IsNamedWithWhatToDo(string import)
    {
        await using var server = await ControlledServer.StartAsync();
        server.ToleratesErrors = true;
        await server.CreateServiceAsync();
        await WriteAsync(server, "preprocess.py", import);
        await server.DoAsync("model", "add", "--engine", "custom", "--endpoint", "own", "--preprocess", Path.Combine(server.Folder, "preprocess.py"));
        Assert.Contains("CLEARML_EXTRA_PYTHON_PACKAGES=clearml", await server.FailAsync(1, "endpoint", "status", "--wait", "60"), StringComparison.Ordinal);
    }

    private static async Task WriteAsync(ControlledServer server, string name, string text)
    {
        var path = Path.Combine(server.Folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await File.WriteAllTextAsync(path, text);
    }

    private static async Task AddAsync(ControlledServer server, string engine, string code, params string[] more)
    {
        await server.DoAsync(["model", "add", "--engine", engine, "--endpoint", "own", "--preprocess", Path.Combine(server.Folder, code), .. more]);
        await server.ReadyAsync("own");
    }

    private static async Task<(int Status, string Body)> CallAsync(ControlledServer server, string body = "{}")
    {
        using var content = new StringContent(body, System.Text.Encoding.UTF8, "application/json");
        using var response = await server.Http.PostAsync("/serve/own", content);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
    }
}
