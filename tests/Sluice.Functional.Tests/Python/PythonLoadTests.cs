using System.Formats.Tar;
using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Models;
using Sluice.Server;
using Sluice.Server.Composition;

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
    [InlineData("import os\nos._exit(7)", "Stub process 'own_0' is not healthy: it exited with code 7")]
    [InlineData("class TritonPythonModel:\n    def initialize(self, args):\n        import os\n        os._exit(8)\n    def execute(self, r):\n        pass", "Stub process 'own_0' is not healthy: it exited with code 8")]
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
        Assert.Equal(isPacked, server.Log.Contains("Extracting Python execution env /", StringComparison.Ordinal));
    }

    [Fact]
    public async Task FilesBesideTheModel_AreImported_ButHideNoLibrary()
    {
        await using var server = await StartAsync(
            "import colorsys\n" + Answering.Replace("import packaged", "import beside as packaged; assert colorsys.rgb_to_hsv(1, 1, 1)", StringComparison.Ordinal),
            Config,
            (options, folder) =>
            {
                File.WriteAllText(Path.Combine(folder, "models", "own", "1", "beside.py"), "NAME = 'from beside'");
                File.WriteAllText(Path.Combine(folder, "models", "own", "1", "colorsys.py"), "raise ImportError('not the library')");
                return options;
            });
        using var http = server.CreateHttp();
        var (_, body) = await PythonRequests.PostAsync(
            http, "own", """{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[1]}]}""");
        Assert.Contains("from beside", body.GetRawText(), StringComparison.Ordinal);
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

    /// <summary>What a worker may ask of the kernel: the same calls under each restriction.</summary>
    [Theory]
    [InlineData("", "refused refused allowed allowed")]
    [InlineData("system", "refused refused allowed allowed")]
    [InlineData("network", "refused refused refused allowed")]
    [InlineData("off", "allowed allowed allowed allowed")]
    public async Task Restriction_RefusesSystemCallsThatNoModelNeeds(string restriction, string expected)
    {
        const string Code = """
            import ctypes, os, socket, subprocess, sys
            import numpy as np
            import triton_python_backend_utils as pb

            libc = ctypes.CDLL(None, use_errno=True)

            def look_into_another():
                buffer = ctypes.create_string_buffer(8)
                vector = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)
                if libc.process_vm_readv(os.getpid(), vector, 1, vector, 1, 0) != 8:
                    raise OSError(ctypes.get_errno(), "")

            def new_namespace():
                # Of names of the host only, which needs privileges: invalid flags tell a call that was let through.
                if libc.unshare(0x1) != 0 and ctypes.get_errno() == 1:
                    raise OSError(1, "")

            def attempt(call):
                try:
                    call()
                    return "allowed"
                except PermissionError:
                    return "refused"

            class TritonPythonModel:
                def execute(self, requests):
                    seen = " ".join(attempt(call) for call in (
                        look_into_another, new_namespace, lambda: socket.socket().close(),
                        lambda: subprocess.run([sys.executable, "-c", "import threading; threading.Thread(target=print).start()"], check=True)))
                    return [pb.InferenceResponse([pb.Tensor("Y", np.array([seen], dtype=object))]) for _ in requests]
            """;
        await using var server = await StartAsync(
            Code, Config + (restriction.Length > 0 ? $$"""parameters { key: "RESTRICT" value { string_value: "{{restriction}}" } }""" : ""));
        using var http = server.CreateHttp();
        var (_, body) = await PythonRequests.PostAsync(
            http, "own", """{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[1]}]}""");
        Assert.Contains($"\"{expected}\"", body.GetRawText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Restriction_OfAnUnknownName_IsAnErrorOfTheModel()
    {
        await using var server = await StartAsync(Answering, Config + """parameters { key: "RESTRICT" value { string_value: "all" } }""");
        Assert.Contains("RESTRICT of 'own' must be off, system or network, not 'all'", server.Log, StringComparison.Ordinal);
    }

    /// <summary>A load that may take its ten or twenty minutes does not hold up the end of the server.</summary>
    [Theory]
    [InlineData("import")]
    [InlineData("initialize")]
    [InlineData("pip")]
    public async Task Stop_BreaksOffAStartUnderWay(string step)
    {
        using var index = new TcpListener(IPAddress.Loopback, 0);
        index.Start();
        var folder = Directory.CreateTempSubdirectory("sluice-slow-").FullName;
        var begun = Path.Combine(folder, "begun");
        var waiting = $"open({JsonSerializer.Serialize(begun)}, 'w').close(); import time; time.sleep(600)";
        var code = step switch
        {
            "import" => waiting,
            "initialize" => $"class TritonPythonModel:\n    def initialize(self, args):\n        {waiting}\n    def execute(self, requests):\n        pass",
            _ => Answering,
        };
        await using var server = await OperatedServer.StartAsync((options, _) => options with { ModelControlMode = ModelControlMode.Explicit });
        var model = Directory.CreateDirectory(Path.Combine(server.Folder, "models", "own", "1")).Parent!.FullName;
        await File.WriteAllTextAsync(Path.Combine(model, "1", "model.py"), code);
        await File.WriteAllTextAsync(Path.Combine(model, "requirements.txt"), $"http://{index.LocalEndpoint}/packaged-1.0-py3-none-any.whl\n");
        await File.WriteAllTextAsync(Path.Combine(model, "config.pbtxt"), Config +
            (step == "pip" ? """parameters { key: "REQUIREMENTS" value { string_value: "$$TRITON_MODEL_DIRECTORY/requirements.txt" } }""" : ""));
        using var watcher = new FileSystemWatcher(folder);
        var isBegun = new TaskCompletionSource();
        watcher.Created += (_, _) => isBegun.TrySetResult();
        watcher.EnableRaisingEvents = true;
        using var http = server.CreateHttp();
        var loading = http.PostAsync("v2/repository/models/own/load", null);
        if (step == "pip")
            (await index.AcceptTcpClientAsync()).Dispose();
        else
            await isBegun.Task.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.True(await server.Host.StopAsync(), server.Log);
        await ((Task)loading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task FailedStart_LetsModelsThatWereLoadedEnd()
    {
        var folder = Directory.CreateTempSubdirectory("sluice-failed-").FullName;
        var ended = Path.Combine(folder, "ended");
        var repository = Path.Combine(folder, "models");
        foreach (var (name, code) in new[]
        {
            ("good", $"class TritonPythonModel:\n    def execute(self, requests):\n        pass\n    def finalize(self):\n        open({JsonSerializer.Serialize(ended)}, 'w').close()\n"),
            ("bad", "raise RuntimeError('at the import')"),
        })
        {
            await File.WriteAllTextAsync(Path.Combine(Directory.CreateDirectory(Path.Combine(repository, name, "1")).FullName, "model.py"), code);
            await File.WriteAllTextAsync(Path.Combine(repository, name, "config.pbtxt"), Config);
        }

        var loopback = new IPEndPoint(IPAddress.Loopback, 0);
        var options = new ServerOptions
        {
            ModelRepositories = [repository],
            Grpc = loopback,
            Http = loopback,
            Metrics = loopback,
            WarmUp = false,
            ExitOnError = true,
        };
        await using (var host = new ServerHost(options, NullLoggerFactory.Instance, TimeProvider.System))
            Assert.False(await host.StartAsync(CancellationToken.None));
        Assert.True(File.Exists(ended));
        Directory.Delete(folder, recursive: true);
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
                        time.sleep(0.3)
                        return {"name": packaged.NAME, "user": os.getuid(), "process": os.getpid()}
                """, null, ("python.workers", "2"), ("python.user", "nobody"));
            var replies = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => endpoint.CallAsync("own", "{}")));
            Assert.All(replies, reply => Assert.True(reply.Outcome == Inference.EndpointOutcome.Ok, reply.Detail));
            var answers = replies.Select(reply => JsonElement.Parse(reply.Content.Span)).ToList();
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
