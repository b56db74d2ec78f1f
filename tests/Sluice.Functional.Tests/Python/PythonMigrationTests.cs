using System.Net;
using System.Text.Json;
using Sluice.Functional.Tests.Infrastructure;

namespace Sluice.Functional.Tests.Python;

/// <summary>What models written for Triton rely on beside the plain interface: how they are imported, when they send, what clients read.</summary>
[Collection(PythonGroup.Name)]
public sealed class PythonMigrationTests
{
    private const string Config = """
        backend: "python" max_batch_size: 4
        input { name: "X" data_type: TYPE_FP32 dims: 1 }
        output { name: "Y" data_type: TYPE_STRING dims: 1 }
        """;

    private const string Beginning = """
        import asyncio
        import numpy as np
        import triton_python_backend_utils as pb
        FINAL = pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL
        def value(request):
            return int(pb.get_input_tensor_by_name(request, "X").as_numpy().reshape(-1)[0])
        def answer(text, **more):
            return pb.InferenceResponse([pb.Tensor("Y", np.array([[text]], dtype=object))], **more)

        """;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Import_OfFilesBesideTheModel_WorksWithAndWithoutADot(bool isPackage)
    {
        await using var server = await StartAsync(
            Beginning + """
            from . import near
            from .near import NAME
            import near as also
            import shared
            shared.COUNT += 1
            class TritonPythonModel:
                def execute(self, requests):
                    return [answer(" ".join([near.NAME, NAME, also.NAME, shared.NAME, str(shared.COUNT), __name__])) for _ in requests]
            """,
            Config,
            version =>
            {
                File.WriteAllText(Path.Combine(version, "near.py"), "NAME = 'near'");
                File.WriteAllText(Path.Combine(version, "..", "shared.py"), "NAME, COUNT = 'shared', 0");
                if (isPackage)
                    File.WriteAllText(Path.Combine(version, "__init__.py"), "from .near import NAME\nfrom .model import TritonPythonModel");
            });
        Assert.Equal("near near near shared 1 1.model", TextOf(await AskAsync(server, 0)));
    }

    [Fact]
    public async Task RequestParameters_WhereNoneWereSent_AreAnEmptyObject()
    {
        await using var server = await StartAsync(
            Beginning + """
            class TritonPythonModel:
                def execute(self, requests):
                    return [answer(request.parameters()) for request in requests]
            """, Config);
        Assert.Equal("{}", TextOf(await AskAsync(server, 0)));
    }

    [Theory]
    [InlineData(0, "{\"word\":\"yes\",\"count\":3,\"flag\":true}")]
    [InlineData(1, "Expect parameters values to have type bool/int/str, found type <class 'float'>")]
    [InlineData(2, "Expect parameters keys to have type str, found type <class 'int'>")]
    [InlineData(3, ", got <class 'list'>")]
    public async Task ResponseParameters_GivenAsADict_ReachTheClient(int number, string expected)
    {
        await using var server = await StartAsync(
            Beginning + """
            SETS = [{"word": "yes", "count": 3, "flag": True}, {"a": 0.5}, {1: 1}, []]
            class TritonPythonModel:
                def execute(self, requests):
                    return [answer("y", parameters=SETS[value(request)]) for request in requests]
            """, Config);
        var body = await AskAsync(server, number);
        if (number == 0)
            Assert.Equal(expected, body.GetProperty("parameters").GetRawText());
        else
            Assert.Contains(expected, body.GetProperty("error").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sender_OfAModelThatIsNotDecoupled_TakesOneResponseAndItsEndLater()
    {
        await using var server = await StartAsync(
            Beginning + """
            class TritonPythonModel:
                said = []
                def execute(self, requests):
                    for request in requests:
                        sender = request.get_response_sender()
                        self.attempt(sender, None, FINAL)
                        self.attempt(sender, answer("; ".join(self.said)), 0)
                        self.attempt(sender, answer("b"), FINAL)
                        self.attempt(sender, None, FINAL)
                        self.attempt(sender, None, FINAL)
                def attempt(self, sender, response, flags):
                    try:
                        sender.send(response, flags=flags)
                        self.said.append("sent")
                    except pb.TritonModelException as error:
                        self.said.append(str(error)[25:])
            """, Config);
        const string First = "Non-decoupled model cannot send complete final before sending a response.";
        Assert.Equal(First, TextOf(await AskAsync(server, 0)));
        Assert.Equal(
            $"{First}; sent; Non-decoupled model cannot send more than one response.; sent; Response sender has been closed.; {First}",
            TextOf(await AskAsync(server, 0)));
    }

    [Fact]
    public async Task Call_ThatNobodyWaitsForAnyMore_HarmsNoLaterOne()
    {
        await using var server = await StartAsync(
            Beginning + """
            class TritonPythonModel:
                def execute(self, requests):
                    return [answer(self.ask(value(request))) for request in requests]
                def ask(self, number):
                    call = pb.InferenceRequest("held", ["Y"], [pb.Tensor("X", np.full((1, 1), number, np.float32))])
                    if number:
                        return call.exec().output_tensors()[0].as_numpy()[0][0].decode()
                    async def wait():
                        await asyncio.wait_for(call.async_exec(), 0.01)
                    try:
                        asyncio.run(wait())
                    except asyncio.TimeoutError:
                        return "given up"
            """,
            Config,
            version =>
            {
                var held = Directory.CreateDirectory(Path.Combine(version, "..", "..", "held", "1")).FullName;
                File.WriteAllText(Path.Combine(held, "..", "config.pbtxt"), Config);
                File.WriteAllText(Path.Combine(held, "model.py"), Beginning + """
                    import time
                    class TritonPythonModel:
                        def execute(self, requests):
                            while any(value(request) == 0 and not request.is_cancelled() for request in requests):
                                time.sleep(0.001)
                            return [answer("held %d" % value(request)) for request in requests]
                    """);
            });
        Assert.Equal("given up", TextOf(await AskAsync(server, 0)));
        for (var i = 1; i <= 3; i++)
            Assert.Equal($"held {i}", TextOf(await AskAsync(server, i)));
    }

    [Fact]
    public async Task Senders_OfTwoThreads_EndARequestOnce()
    {
        await using var server = await StartAsync(
            Beginning + """
            import sys
            import threading
            sys.setswitchinterval(1e-6)
            class TritonPythonModel:
                def execute(self, requests):
                    for request in requests:
                        sender, texts = request.get_response_sender(), np.full((1, 100_000), "x", dtype=object)
                        both, told = threading.Barrier(2), []
                        def end():
                            both.wait()
                            try:
                                sender.send(pb.InferenceResponse([pb.Tensor("Y", texts)]), flags=FINAL)
                            except pb.TritonModelException as error:
                                told.append(str(error))
                        threads = [threading.Thread(target=end) for _ in range(2)]
                        for thread in threads:
                            thread.start()
                        for thread in threads:
                            thread.join()
                        assert told == ["Unable to send response. Response sender has been closed."], told
            """, Config.Replace("dims: 1 }\n", "dims: -1 }\n", StringComparison.Ordinal) + "model_transaction_policy { decoupled: true }");
        for (var i = 0; i < 3; i++)
            Assert.Contains("\"x\"", await StreamAsync(server, i), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("UNAVAILABLE", HttpStatusCode.ServiceUnavailable)]
    [InlineData("INTERNAL", HttpStatusCode.InternalServerError)]
    public async Task Error_OfAModel_ReachesTheClientInItsOwnWords(string code, HttpStatusCode status)
    {
        await using var server = await StartAsync(
            Beginning + $$"""
            class TritonPythonModel:
                def execute(self, requests):
                    return [pb.InferenceResponse(error=pb.TritonError("closed today", pb.TritonError.{{code}})) for _ in requests]
            """, Config);
        using var http = server.CreateHttp();
        var (found, body) = await PythonRequests.PostAsync(http, "own", Request(0));
        Assert.Equal((status, "closed today"), (found, body.GetProperty("error").GetString()));
    }

    private static string Request(int number) =>
        $$"""{"inputs":[{"name":"X","datatype":"FP32","shape":[1,1],"data":[{{number}}]}]}""";

    private static string TextOf(JsonElement body)
    {
        Assert.True(body.TryGetProperty("outputs", out var outputs), body.GetRawText());
        return outputs[0].GetProperty("data")[0].GetString()!;
    }

    private static async Task<JsonElement> AskAsync(OperatedServer server, int number)
    {
        using var http = server.CreateHttp();
        return (await PythonRequests.PostAsync(http, "own", Request(number))).Body;
    }

    private static async Task<string> StreamAsync(OperatedServer server, int number)
    {
        using var http = server.CreateHttp();
        using var content = new StringContent($$"""{"X":[{{number}}]}""");
        using var response = await http.PostAsync("v2/models/own/generate_stream", content);
        return await response.Content.ReadAsStringAsync();
    }

    private static Task<OperatedServer> StartAsync(string code, string config, Action<string>? prepare = null) =>
        OperatedServer.StartAsync((options, folder) =>
        {
            var version = Directory.CreateDirectory(Path.Combine(folder, "models", "own", "1")).FullName;
            File.WriteAllText(Path.Combine(version, "model.py"), code);
            File.WriteAllText(Path.Combine(version, "..", "config.pbtxt"), config);
            prepare?.Invoke(version);
            return options;
        });
}
