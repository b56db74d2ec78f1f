using System.Net;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Models;

namespace Sluice.Functional.Tests.Python;

/// <summary>What a model's <c>is_ready</c> says is what clients are told.</summary>
[Collection(PythonGroup.Name)]
public sealed class PythonReadinessTests
{
    private const string Config = """
        backend: "python"
        input { name: "X" data_type: TYPE_FP32 dims: 1 }
        output { name: "Y" data_type: TYPE_FP32 dims: 1 }
        """;

    // Notes each question, and does not answer before the test lets it.
    private const string Asked = """
        import os
        import time
        import triton_python_backend_utils as pb
        HERE = os.path.dirname(__file__)


        class TritonPythonModel:
            def execute(self, requests):
                return [pb.InferenceResponse([pb.Tensor("Y", request.inputs()[0].as_numpy())]) for request in requests]

            def is_ready(self):
                with open(os.path.join(HERE, "asked"), "a") as file:
                    file.write("asked\n")
                while not os.path.exists(os.path.join(HERE, "answer")):
                    time.sleep(0.01)
                return True
        """;

    [Fact]
    public async Task Model_ThatGivesNoAnswer_IsNotReadyUntilItDoes_AndIsAskedOnce()
    {
        await using var server = await StartAsync(Asked);
        using var client = server.CreateClient();
        using var http = server.CreateHttp();

        // The load waits for the answer as long as one may take, many periods of the questions.
        await client.LoadModelAsync("own");
        Assert.False(await client.IsModelReadyAsync("own"));
        Assert.Equal(HttpStatusCode.BadRequest, (await http.GetAsync("v2/models/own/ready")).StatusCode);
        var here = Path.Combine(server.Folder, "models", "own", "1");
        Assert.Single(File.ReadAllLines(Path.Combine(here, "asked")));
        await File.WriteAllTextAsync(Path.Combine(here, "answer"), "");
        await Eventually.TrueAsync(() => client.IsModelReadyAsync("own").GetAwaiter().GetResult(), () => server.Log);
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("v2/models/own/ready")).StatusCode);
    }

    /// <summary>As in the original, only True is ready: a method that forgot its answer is not.</summary>
    [Theory]
    [InlineData("1", "is_ready() must return a boolean value, not int")]
    [InlineData("__import__('numpy').bool_(True)", null)]
    public async Task Answer_ThatIsNoBoolean_IsNotReady(string answer, string? fault)
    {
        await using var server = await StartAsync(Asked[..Asked.IndexOf("with open", StringComparison.Ordinal)] + $"return {answer}\n");
        using var client = server.CreateClient();
        await client.LoadModelAsync("own");
        Assert.Equal(fault is null, await client.IsModelReadyAsync("own"));
        Assert.Contains(fault ?? "", server.Log, StringComparison.Ordinal);
    }

    private static Task<OperatedServer> StartAsync(string code) => OperatedServer.StartAsync((options, folder) =>
    {
        var version = Directory.CreateDirectory(Path.Combine(folder, "models", "own", "1")).FullName;
        File.WriteAllText(Path.Combine(version, "model.py"), code);
        File.WriteAllText(Path.Combine(version, "..", "config.pbtxt"), Config);
        return options with { ModelControlMode = ModelControlMode.Explicit, StrictReadiness = false };
    });
}
