using System.Formats.Tar;
using System.IO.Compression;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Server;

namespace Sluice.Functional.Tests.Python;

/// <summary>What fails at a load says what to do; environments are a model's own.</summary>
[Collection(PythonGroup.Name)]
public sealed class PythonLoadTests(PythonFixture fixture)
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
    public async Task Requirements_AreInstalledForTheModel_AndAMissingOneIsTold()
    {
        await using var server = await StartAsync(
            Answering, Config + """parameters { key: "REQUIREMENTS" value { string_value: "$$TRITON_MODEL_DIRECTORY/requirements.txt" } }""",
            (options, folder) =>
            {
                var model = Path.Combine(folder, "models", "own");
                File.WriteAllText(Path.Combine(model, "requirements.txt"), WriteWheel(model, "of the wheel") + "\n");
                return options;
            });
        using var http = server.CreateHttp();
        var (_, body) = await PythonRequests.PostAsync(
            http, "own", """{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[1]}]}""");
        Assert.Contains("of the wheel", body.GetRawText(), StringComparison.Ordinal);

        await using var failing = await StartAsync(
            Answering, Config + """parameters { key: "REQUIREMENTS" value { string_value: "$$TRITON_MODEL_DIRECTORY/requirements.txt" } }""",
            (options, folder) =>
            {
                File.WriteAllText(Path.Combine(folder, "models", "own", "requirements.txt"), "/nowhere/absent-1.0-py3-none-any.whl\n");
                return options;
            });
        Assert.Contains("REQUIREMENTS of 'own' asks for those of '", failing.Log, StringComparison.Ordinal);
        Assert.Contains("absent-1.0-py3-none-any.whl", failing.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Endpoint_GetsExtraPackages_RunsAsAnotherUser_InSeveralProcesses()
    {
        var folder = Directory.CreateTempSubdirectory("sluice-wheel-").FullName;
        Environment.SetEnvironmentVariable("CLEARML_EXTRA_PYTHON_PACKAGES", WriteWheel(folder, "extra"));
        try
        {
            await using var endpoint = await EndpointCase.OfCodeAsync(fixture, "custom", """
                import os, time
                import packaged

                class Preprocess:
                    def process(self, data, state, collect_custom_statistics_fn=None):
                        time.sleep(0.05)
                        return {"name": packaged.NAME, "user": os.getuid(), "process": os.getpid()}
                """, null, ("python.workers", "2"), ("python.user", "nobody"));
            var replies = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => endpoint.CallAsync("own", "{}")));
            Assert.All(replies, reply => Assert.True(reply.Outcome == Inference.EndpointOutcome.Ok, reply.Detail));
            var answers = replies.Select(reply => System.Text.Json.JsonElement.Parse(reply.Content.Span)).ToList();
            Assert.All(answers, answer => Assert.Equal("extra", answer.GetProperty("name").GetString()));
            Assert.All(answers, answer => Assert.Equal(NobodysId(), answer.GetProperty("user").GetInt32()));
            Assert.Equal(2, answers.Select(answer => answer.GetProperty("process").GetInt32()).Distinct().Count());
        }
        finally
        {
            Environment.SetEnvironmentVariable("CLEARML_EXTRA_PYTHON_PACKAGES", null);
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Sequences_OfAModelWithTwoInstances_StayAtTheirs()
    {
        const string Code = """
            import numpy as np
            import triton_python_backend_utils as pb
            class TritonPythonModel:
                sums = {}
                def execute(self, requests):
                    answers = []
                    for request in requests:
                        names = sorted(t.name() for t in request.inputs())
                        assert names == ["END", "START", "X"], names
                        value = lambda name: pb.get_input_tensor_by_name(request, name).as_numpy().reshape(-1)[0]
                        key = request.correlation_id()
                        total = value("X") + (0 if value("START") else self.sums[key])
                        self.sums[key] = total
                        if value("END"):
                            del self.sums[key]
                        answers.append(pb.InferenceResponse([pb.Tensor("Y", np.array([[total]], np.float32))]))
                    return answers
            """;
        await using var server = await StartAsync(Code, """
            backend: "python" max_batch_size: 4
            input { name: "X" data_type: TYPE_FP32 dims: 1 } output { name: "Y" data_type: TYPE_FP32 dims: 1 }
            instance_group { count: 2 kind: KIND_CPU }
            sequence_batching {
              oldest { max_candidate_sequences: 4 }
              control_input [
                { name: "START" control { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } },
                { name: "END" control { kind: CONTROL_SEQUENCE_END fp32_false_true: [ 0, 1 ] } } ]
            }
            """);
        using var http = server.CreateHttp();
        await Task.WhenAll(Enumerable.Range(1, 8).Select(async id =>
        {
            for (var step = 1; step <= 4; step++)
            {
                var (_, body) = await PythonRequests.PostAsync(http, "own", $$"""
                    {"inputs":[{"name":"X","datatype":"FP32","shape":[1,1],"data":[{{id}}]}],
                     "parameters":{"sequence_id":{{(id % 2 == 0 ? $"{id}" : $"\"s{id}\"")}},"sequence_start":{{(step == 1 ? "true" : "false")}},
                     "sequence_end":{{(step == 4 ? "true" : "false")}} } }
                    """);
                Assert.True(body.TryGetProperty("outputs", out var outputs), body.GetRawText());
                Assert.Equal(id * step, outputs[0].GetProperty("data")[0].GetDouble());
            }
        }));
    }

    [Theory]
    [InlineData("")]
    [InlineData("model_transaction_policy { decoupled: true }")]
    public async Task Rescheduled_Requests_ComeAgainUntilTheyAreAnswered(string policy)
    {
        const string Code = """
            import json
            import numpy as np
            import triton_python_backend_utils as pb
            class TritonPythonModel:
                def initialize(self, args):
                    self.decoupled = pb.using_decoupled_model_transaction_policy(json.loads(args["model_config"]))
                    self.seen = {}
                def execute(self, requests):
                    answers = []
                    for request in requests:
                        key = request.correlation_id()
                        self.seen[key] = self.seen.get(key, 0) + 1
                        wanted = int(pb.get_input_tensor_by_name(request, "X").as_numpy().reshape(-1)[0])
                        answer = pb.InferenceResponse([pb.Tensor("Y", np.array([[self.seen[key]]], np.float32))])
                        if self.seen[key] < wanted:
                            request.set_release_flags(pb.TRITONSERVER_REQUEST_RELEASE_RESCHEDULE)
                            if self.decoupled:
                                request.get_response_sender().send(answer)
                            answers.append(None)
                        elif self.decoupled:
                            request.get_response_sender().send(answer, flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
                        else:
                            answers.append(answer)
                    return None if self.decoupled else answers
            """;
        await using var server = await StartAsync(Code, $$"""
            backend: "python" max_batch_size: 4
            input { name: "X" data_type: TYPE_FP32 dims: 1 } output { name: "Y" data_type: TYPE_FP32 dims: 1 }
            sequence_batching { iterative_sequence: true } {{policy}}
            """);
        using var http = server.CreateHttp();
        await Task.WhenAll(Enumerable.Range(1, 6).Select(async wanted =>
        {
            using var content = new StringContent($$"""{"X":[{{wanted}}]}""");
            using var response = await http.PostAsync($"v2/models/own/generate{(policy.Length > 0 ? "_stream" : "")}", content);
            var text = await response.Content.ReadAsStringAsync();
            int[] expected = policy.Length > 0 ? [.. Enumerable.Range(1, wanted)] : [wanted];
            Assert.Equal(expected, text.Split("\"Y\":").Skip(1).Select(part => (int)double.Parse(part.Split(',', '}')[0], System.Globalization.CultureInfo.InvariantCulture)));
        }));
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

    /// <summary>Makes a package that holds one module, as pip installs it without an index.</summary>
    private static string WriteWheel(string folder, string name)
    {
        var path = Path.Combine(folder, "packaged-1.0-py3-none-any.whl");
        using var wheel = ZipFile.Open(path, ZipArchiveMode.Create);
        foreach (var (file, text) in new[]
        {
            ("packaged.py", $"NAME = '{name}'\n"),
            ("packaged-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: packaged\nVersion: 1.0\n"),
            ("packaged-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            ("packaged-1.0.dist-info/RECORD", "packaged.py,,\npackaged-1.0.dist-info/METADATA,,\npackaged-1.0.dist-info/WHEEL,,\npackaged-1.0.dist-info/RECORD,,\n"),
        })
        {
            using var writer = new StreamWriter(wheel.CreateEntry(file).Open());
            writer.Write(text);
        }

        return path;
    }

    private static int NobodysId() => int.Parse(
        File.ReadLines("/etc/passwd").Single(line => line.StartsWith("nobody:", StringComparison.Ordinal)).Split(':')[2],
        System.Globalization.CultureInfo.InvariantCulture);
}
