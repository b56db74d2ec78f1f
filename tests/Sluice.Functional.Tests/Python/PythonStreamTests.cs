using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Protocol.Codec;

namespace Sluice.Functional.Tests.Python;

/// <summary>Decoupled Python models on <c>ModelStreamInfer</c>: executions of several requests, coroutines side by side, and how streams end.</summary>
public sealed class PythonStreamTests
{
    private const string Config = """
        backend: "python" max_batch_size: 8 model_transaction_policy { decoupled: true }
        input { name: "X" data_type: TYPE_FP32 dims: 1 }
        output { name: "Y" data_type: TYPE_STRING dims: -1 }

        """;

    private const string Beginning = """
        import asyncio
        import os
        import threading
        import time
        import numpy as np
        import triton_python_backend_utils as pb
        FINAL = pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL
        FOLDER = os.path.dirname(os.path.abspath(__file__))
        def value(request):
            return int(pb.get_input_tensor_by_name(request, "X").as_numpy().reshape(-1)[0])
        def answer(text):
            return pb.InferenceResponse([pb.Tensor("Y", np.array([[text]], dtype=object))])
        def error(text, code=pb.TritonError.INTERNAL):
            return pb.InferenceResponse(error=pb.TritonError(text, code))
        def note(text):
            with open(os.path.join(FOLDER, "notes"), "a") as file:
                file.write(text + "\n")
        def wait_for(name):
            while not os.path.exists(os.path.join(FOLDER, name)):
                time.sleep(0.001)

        """;

    private static readonly CallOptions Patient = new() { Timeout = ServerFixture.Patience };

    private static readonly CallOptions WithStatuses = Patient with { Metadata = new RpcMetadata { { "triton_grpc_error", "true" } } };

    [Fact]
    public async Task DynamicBatching_GivesOneExecuteSeveralRequests_EachWithItsOwnResponses()
    {
        await using var server = await StartAsync(
            Beginning + """
            class TritonPythonModel:
                def execute(self, requests):
                    for number, request in enumerate(requests):
                        sender = request.get_response_sender()
                        for part in range(number + 1):
                            sender.send(answer("%d of %d: %d" % (value(request), len(requests), part)))
                        sender.send(flags=FINAL)
            """,
            Config + "dynamic_batching { preferred_batch_size: 4 max_queue_delay_microseconds: 600000000 }");
        using var client = server.CreateClient();
        await using var stream = client.OpenInferStream(Patient);
        for (var i = 1; i <= 4; i++)
            await stream.WriteAsync(Request(i));
        stream.Complete();
        var found = await RestAsync(stream);
        Assert.Equal(
            ["1:1 of 4: 0", "2:2 of 4: 0", "2:2 of 4: 1", "3:3 of 4: 0", "3:3 of 4: 1", "3:3 of 4: 2", "4:4 of 4: 0", "4:4 of 4: 1", "4:4 of 4: 2", "4:4 of 4: 3"],
            found.Order(StringComparer.Ordinal));
        var statistics = (await client.GetModelStatisticsAsync("own"))[0];
        Assert.Equal((1ul, 4ul, 4ul), (statistics.ExecutionCount, statistics.InferenceCount, statistics.InferenceStats.Success.Count));
        var row = Assert.Single(statistics.BatchStats);
        Assert.Equal((4ul, 1ul), (row.BatchSize, row.ComputeInfer.Count));
        Assert.Equal([4ul, 3ul, 2ul, 1ul], Enumerable.Range(0, 4).Select(i => statistics.ResponseStats[$"{i}"].Success.Count));
    }

    [Fact]
    public async Task Client_WhoLeaves_EndsItsOwnRequestOfAnExecutionOnly()
    {
        await using var server = await StartAsync(
            Beginning + """
            seen = threading.Event()
            def serve(request, others):
                sender = request.get_response_sender()
                sender.send(answer("begun"))
                if value(request) == 1:
                    seen.wait()
                while not any(other.is_cancelled() for other in others):
                    time.sleep(0.001)
                seen.set()
                sender.send(answer("%s %d" % (request.is_cancelled(), len(others))), flags=FINAL)
            class TritonPythonModel:
                def execute(self, requests):
                    for request in requests:
                        threading.Thread(target=serve, args=(request, requests)).start()
            """,
            Config + "dynamic_batching { preferred_batch_size: 2 max_queue_delay_microseconds: 600000000 }");
        using var client = server.CreateClient();
        var leaving = client.OpenInferStream(Patient);
        await using var staying = client.OpenInferStream(Patient);
        await leaving.WriteAsync(Request(1));
        await staying.WriteAsync(Request(2));
        Assert.Equal("1:begun", await NextAsync(leaving));
        Assert.Equal("2:begun", await NextAsync(staying));
        await leaving.DisposeAsync();
        Assert.Equal("2:False 2", await NextAsync(staying));
    }

    [Fact]
    public async Task LargeInputs_OfSeveralRequests_LieInOneBlockAndComeBack()
    {
        await using var server = await StartAsync(
            Beginning + """
            class TritonPythonModel:
                def execute(self, requests):
                    for request in requests:
                        data = pb.get_input_tensor_by_name(request, "X").as_numpy()
                        request.get_response_sender().send(
                            pb.InferenceResponse([pb.Tensor("Y", data), pb.Tensor("COUNT", np.full((1, 1), len(requests), np.int32))]), flags=FINAL)
            """,
            """
            backend: "python" max_batch_size: 8 model_transaction_policy { decoupled: true }
            input { name: "X" data_type: TYPE_FP32 dims: -1 } output [ { name: "Y" data_type: TYPE_FP32 dims: -1 }, { name: "COUNT" data_type: TYPE_INT32 dims: 1 } ]
            dynamic_batching { preferred_batch_size: 3 max_queue_delay_microseconds: 600000000 }
            parameters { key: "SHARED_MEMORY_BYTES" value { string_value: "8388608" } }
            """);
        using var client = server.CreateClient();
        await using var stream = client.OpenInferStream(Patient);

        // Several times what fits at once: everything must have been given back.
        for (var round = 0; round < 8; round++)
        {
            for (var i = 0; i < 3; i++)
            {
                var data = new float[128 * 1024];
                Array.Fill(data, (3 * round) + i);
                await stream.WriteAsync(new InferRequestMessage { ModelName = "own", Id = $"{(3 * round) + i}", Inputs = [InferInput.Wrap<float>("X", data, 1, data.Length)] });
            }

            for (var i = 0; i < 3; i++)
            {
                using var result = await stream.ReadAsync();
                Assert.Null(result!.Error);
                Assert.Equal(3, result.GetSpan<int>("COUNT")[0]);
                var expected = float.Parse(result.Id, System.Globalization.CultureInfo.InvariantCulture);
                Assert.Equal(-1, result.GetSpan<float>("Y").IndexOfAnyExcept(expected));
            }
        }
    }

    /// <summary>What is too much for one execution is served one by one, and what no execution can take fails alone.</summary>
    [Fact]
    public async Task FaultOfOneRequest_FailsNoOthersOfItsExecution()
    {
        await using var server = await StartAsync(
            Beginning + """
            class TritonPythonModel:
                def execute(self, requests):
                    for request in requests:
                        data = pb.get_input_tensor_by_name(request, "X").as_numpy()
                        request.get_response_sender().send(answer("%g of %d" % (data[0, 0], len(requests))), flags=FINAL)
            """,
            """
            backend: "python" max_batch_size: 8 model_transaction_policy { decoupled: true }
            input { name: "X" data_type: TYPE_FP32 dims: -1 } output { name: "Y" data_type: TYPE_STRING dims: -1 }
            dynamic_batching { preferred_batch_size: 3 max_queue_delay_microseconds: 600000000 }
            parameters { key: "SHARED_MEMORY_BYTES" value { string_value: "8388608" } }
            """);
        using var client = server.CreateClient();
        await using var stream = client.OpenInferStream(Patient);
        for (var number = 1; number <= 3; number++)
        {
            var data = new float[3 << 18];
            Array.Fill(data, number);
            var id = number < 3 ? $"{number}" : new string('3', 70_000);
            await stream.WriteAsync(new InferRequestMessage { ModelName = "own", Id = id, Inputs = [InferInput.Wrap<float>("X", data, 1, data.Length)] });
        }

        var ends = new[] { await NextAsync(stream), await NextAsync(stream), await NextAsync(stream) }.Order(StringComparer.Ordinal).ToArray();
        Assert.Equal("1:1 of 1 2:2 of 1", string.Join(' ', ends[..2]));
        Assert.DoesNotContain(" of ", ends[2], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("def")]
    [InlineData("async def")]
    public async Task TextThatIsNoUtf8_EndsNoProcess(string kind)
    {
        await using var server = await StartAsync(
            Beginning + $$"""
            class TritonPythonModel:
                {{kind}} execute(self, requests):
                    for request in requests:
                        request.get_response_sender().send(answer("process %d %s" % (os.getpid(), ascii(request.request_id()))), flags=FINAL)
            """, Config);
        using var client = server.CreateClient();
        using var caller = new RawCaller(server.Host.GrpcAddress!);
        byte[] damaged = [.. RawCaller.Message(Request(1)), 0x1A, 1, 0xFF];
        using var body = new ByteArrayContent(RawCaller.Frame(damaged));
        var answer = await caller.SendAsync(RawCaller.StreamPath, body);
        Assert.Equal("0", answer.GrpcStatus);
        var said = System.Text.Encoding.Latin1.GetString(answer.Body);
        Assert.Contains("'\\ufffd'", said, StringComparison.Ordinal);
        await using var stream = client.OpenInferStream(Patient);
        await stream.WriteAsync(Request(2));
        Assert.Contains((await NextAsync(stream))!.Split(' ')[1], said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Coroutines_RunSideBySide()
    {
        await using var server = await StartAsync(
            Beginning + """
            class TritonPythonModel:
                def initialize(self, args):
                    self.told = asyncio.Event()
                async def execute(self, requests):
                    for request in requests:
                        sender = request.get_response_sender()
                        if value(request) == 0:
                            sender.send(answer("waits"))
                            await self.told.wait()
                        else:
                            self.told.set()
                        sender.send(answer("done"), flags=FINAL)
            """, Config);
        using var client = server.CreateClient();
        await using var stream = client.OpenInferStream(Patient);
        await stream.WriteAsync(Request(0));
        Assert.Equal("0:waits", await NextAsync(stream));
        await stream.WriteAsync(Request(1));
        Assert.Equal(["0:done", "1:done"], new[] { await NextAsync(stream), await NextAsync(stream) }.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Coroutine_ThatFails_FailsItsOwnRequests_AndOneThatExitsItsProcess()
    {
        await using var server = await StartAsync(Waiting, Config);
        using var client = server.CreateClient();
        await using var stream = client.OpenInferStream(Patient);
        await stream.WriteAsync(Request(0));
        Assert.Equal("0:waits", await NextAsync(stream));
        await stream.WriteAsync(Request(1));
        Assert.Contains("ValueError: on purpose", await NextAsync(stream), StringComparison.Ordinal);
        await stream.WriteAsync(Request(2));
        Assert.Equal(["0:done", "2:done"], new[] { await NextAsync(stream), await NextAsync(stream) }.Order(StringComparer.Ordinal));
        await stream.WriteAsync(Request(0));
        Assert.Equal("0:waits", await NextAsync(stream));
        await stream.WriteAsync(Request(3));
        var ends = new[] { await NextAsync(stream), await NextAsync(stream) }.Order(StringComparer.Ordinal).ToArray();
        Assert.Contains("Stub process 'own_0' is not healthy", ends[0], StringComparison.Ordinal);
        Assert.Contains("SystemExit: 5", ends[1], StringComparison.Ordinal);
        await stream.WriteAsync(Request(2));
        Assert.Equal("2:done", await NextAsync(stream));
    }

    [Theory]
    [InlineData(false, "an execution took longer than its limit of 5 seconds")]
    [InlineData(true, "it went on 1 seconds after its request was cancelled")]
    public async Task Coroutine_ThatGoesOnTooLong_EndsItsProcess(bool isCancelled, string reason)
    {
        var (limit, seconds) = isCancelled ? ("CANCEL_GRACE_SECONDS", 1) : ("EXECUTION_TIMEOUT_SECONDS", 5);
        await using var server = await StartAsync(
            isCancelled ? Waiting.Replace("await self.told.wait()", "await stubborn(self.told)", StringComparison.Ordinal) : Waiting,
            $$"""{{Config}} parameters { key: "{{limit}}" value { string_value: "{{seconds}}" } }""");
        using var client = server.CreateClient();
        await using (var stream = client.OpenInferStream(Patient))
        {
            await stream.WriteAsync(Request(0));
            Assert.Equal("0:waits", await NextAsync(stream));

            // The one that waits is watched on, though the code has taken others since.
            await stream.WriteAsync(Request(1));
            Assert.Contains("ValueError", await NextAsync(stream), StringComparison.Ordinal);
            if (!isCancelled)
                Assert.Contains(reason, await NextAsync(stream), StringComparison.Ordinal);
        }

        await Eventually.TrueAsync(() => server.Log.Contains(reason, StringComparison.Ordinal), () => server.Log);
        await using var later = client.OpenInferStream(Patient);
        await later.WriteAsync(Request(2));
        Assert.Equal("2:done", await NextAsync(later));
    }

    /// <summary>Others share its process, so it is told to end by itself.</summary>
    [Fact]
    public async Task Coroutine_ThatNobodyWaitsFor_IsCancelledAlone()
    {
        await using var server = await StartAsync(
            Beginning + """
            class TritonPythonModel:
                async def execute(self, requests):
                    for request in requests:
                        sender = request.get_response_sender()
                        sender.send(answer(str(os.getpid())))
                        try:
                            while not os.path.exists(os.path.join(FOLDER, "go%d" % value(request))):
                                await asyncio.sleep(0.005)
                        finally:
                            note("ended %d" % value(request))
                        sender.send(answer(str(os.getpid())), flags=FINAL)
            """,
            Config + """parameters { key: "CANCEL_GRACE_SECONDS" value { string_value: "1" } }""");
        using var client = server.CreateClient();
        var leaving = client.OpenInferStream(Patient);
        await leaving.WriteAsync(Request(0));
        var process = (await NextAsync(leaving))![2..];
        await using var staying = client.OpenInferStream(Patient);
        await staying.WriteAsync(Request(1));
        Assert.Equal($"1:{process}", await NextAsync(staying));
        await leaving.DisposeAsync();
        await Eventually.TrueAsync(() => File.Exists(PathOf(server, "notes")), () => server.Log);
        Assert.Equal(["ended 0"], await File.ReadAllLinesAsync(PathOf(server, "notes")));
        await File.WriteAllTextAsync(PathOf(server, "go1"), "");
        Assert.Equal($"1:{process}", await NextAsync(staying));
    }

    /// <summary>A model comes to its end although its code goes on for ever.</summary>
    [Fact]
    public async Task Coroutine_ThatNeverEnds_DoesNotKeepTheModelFromItsEnd()
    {
        await using var server = await StartAsync(
            Beginning + """
            class TritonPythonModel:
                async def execute(self, requests):
                    for request in requests:
                        request.get_response_sender().send(answer("done"), flags=FINAL)
                    await asyncio.Event().wait()
                def finalize(self):
                    note("finalized")
            """, Config);
        using var client = server.CreateClient();
        await using (var stream = client.OpenInferStream(Patient))
        {
            await stream.WriteAsync(Request(0));
            Assert.Equal("0:done", await NextAsync(stream));
        }

        await ExpectUnloadAsync(server, client);
        await Eventually.TrueAsync(() => File.Exists(PathOf(server, "notes")), () => server.Log);
    }

    [Fact]
    public async Task Coroutines_ThatStillRunAtTheEnd_EndBeforeTheModel()
    {
        await using var server = await StartAsync(
            Beginning + """
            class TritonPythonModel:
                async def execute(self, requests):
                    for request in requests:
                        request.get_response_sender().send(answer("done"), flags=FINAL)
                    for _ in range(100):
                        await asyncio.sleep(0.005)
                    note("executed %d" % value(requests[0]))
                async def finalize(self):
                    await asyncio.sleep(0.01)
                    note("finalized")
            """, Config);
        using var client = server.CreateClient();
        await using var stream = client.OpenInferStream(Patient);
        foreach (var number in new[] { 0, 1 })
        {
            await stream.WriteAsync(Request(number));
            Assert.Equal($"{number}:done", await NextAsync(stream));
        }

        Assert.True(await server.Host.StopAsync());
        Assert.Equal(["executed 0", "executed 1", "finalized"], await File.ReadAllLinesAsync(PathOf(server, "notes")));
    }

    [Theory]
    [InlineData("return")]
    [InlineData("wait")]
    public async Task WithStatuses_ErrorWithoutAnEnd_EndsTheStreamAndCancelsTheRest(string then)
    {
        await using var server = await StartAsync(
            Beginning + """
            def go_on(request):
                sender = request.get_response_sender()
                sender.send(answer("begun"))
                while not request.is_cancelled():
                    time.sleep(0.001)
                note("cancelled")
            class TritonPythonModel:
                def execute(self, requests):
                    for request in requests:
                        if value(request) == 0:
                            threading.Thread(target=go_on, args=(request,)).start()
                        else:
                            request.get_response_sender().send(error("broken"))
                            if value(request) == 2:
                                wait_for("go")
            """,
            Config + """parameters { key: "CANCEL_GRACE_SECONDS" value { string_value: "600" } }""");
        using var client = server.CreateClient();
        await using var stream = client.OpenInferStream(WithStatuses);
        await stream.WriteAsync(Request(0));
        Assert.Equal("0:begun", await NextAsync(stream));
        await stream.WriteAsync(Request(then == "return" ? 1 : 2));
        var failure = await Assert.ThrowsAsync<SluiceException>(() => NextAsync(stream));
        Assert.Equal((InferenceCode.Internal, "broken"), (failure.Code, failure.Message));
        await Eventually.TrueAsync(() => File.Exists(PathOf(server, "notes")), () => "the other request was not cancelled");
        await Eventually.TrueAsync(() => server.Host.ActiveCount == 0, () => "the call is still served");
        await File.WriteAllTextAsync(PathOf(server, "go"), "");
        await ExpectUnloadAsync(server, client);
    }

    [Fact]
    public async Task WithStatuses_FailureOfAModelThatNeverEnds_EndsTheStream()
    {
        await using var server = await StartAsync(
            Beginning + """
            class TritonPythonModel:
                def execute(self, requests):
                    for request in requests:
                        request.get_response_sender().send(answer("begun") if value(request) else error("broken"))
            """, Config);
        using var client = server.CreateClient();
        for (var i = 0; i < 20; i++)
        {
            await using var stream = client.OpenInferStream(WithStatuses);
            for (var number = 3; number > 0; number--)
            {
                await stream.WriteAsync(Request(number));
                Assert.Equal($"{number}:begun", await NextAsync(stream));
            }

            await stream.WriteAsync(Request(0));
            var failure = await Assert.ThrowsAsync<SluiceException>(() => NextAsync(stream));
            Assert.Equal((InferenceCode.Internal, "broken"), (failure.Code, failure.Message));
        }

        await ExpectUnloadAsync(server, client);
    }

    [Fact]
    public async Task Client_WhoLeaves_EndsARequestThatItsCodeNeverEnds()
    {
        await using var server = await StartAsync(
            Beginning + """
            class TritonPythonModel:
                def execute(self, requests):
                    for request in requests:
                        request.get_response_sender().send(answer("begun"))
            """, Config);
        using var client = server.CreateClient();
        var stream = client.OpenInferStream(Patient);
        for (var i = 0; i < 3; i++)
        {
            await stream.WriteAsync(Request(i));
            Assert.Equal($"{i}:begun", await NextAsync(stream));
        }

        await stream.DisposeAsync();
        await Eventually.TrueAsync(() => server.Host.ActiveCount == 0, () => "the call is still served");
        Assert.Equal(3ul, (await client.GetModelStatisticsAsync("own"))[0].ResponseStats["1"].Cancel.Count);
        await ExpectUnloadAsync(server, client);
    }

    /// <summary>What the worker holds for a request that its code never ends goes with the client.</summary>
    [Fact]
    public async Task RequestsThatAreNeverEnded_LeaveNoMemoryBehind()
    {
        await using var server = await StartAsync(
            Beginning + """
            kept = []
            class TritonPythonModel:
                def execute(self, requests):
                    for request in requests:
                        if pb.get_input_tensor_by_name(request, "X").as_numpy()[0, 0] == 1:
                            kept.append(request.get_response_sender())
                            kept[-1].send(answer("begun"))
                        else:
                            request.get_response_sender().send(answer("done"), flags=FINAL)
            """,
            """
            backend: "python" max_batch_size: 8 model_transaction_policy { decoupled: true }
            input { name: "X" data_type: TYPE_FP32 dims: -1 } output { name: "Y" data_type: TYPE_STRING dims: -1 }
            parameters { key: "SHARED_MEMORY_BYTES" value { string_value: "8388608" } }
            """);
        using var client = server.CreateClient();
        var data = new float[1 << 18];
        for (var i = 0; i < 20; i++)
        {
            data[0] = i < 19 ? 1 : 0;
            var stream = client.OpenInferStream(Patient);
            await stream.WriteAsync(new InferRequestMessage { ModelName = "own", Id = $"{i}", Inputs = [InferInput.Wrap<float>("X", data, 1, data.Length)] });
            Assert.Equal(i < 19 ? $"{i}:begun" : "19:done", await NextAsync(stream));
            await stream.DisposeAsync();
            await Eventually.TrueAsync(() => server.Host.ActiveCount == 0, () => "the call is still served");
        }
    }

    [Fact]
    public async Task ResponsesBehindTheEndOfACancelledRequest_AreDropped_AndTheirMemoryComesBack()
    {
        await using var server = await StartAsync(
            Beginning + """
            def send(sender, response):
                while True:
                    try:
                        return sender.send(response)
                    except MemoryError:
                        time.sleep(0.001)
            def go_on(request):
                sender = request.get_response_sender()
                sender.send(answer(str(os.getpid())))
                wait_for("go")
                for _ in range(64):
                    send(sender, pb.InferenceResponse([pb.Tensor("Z", np.zeros((1, 1 << 18), np.float32))]))
                sender.send(error("late"), flags=FINAL)
                note("sent")
            class TritonPythonModel:
                def execute(self, requests):
                    for request in requests:
                        if value(request) == 0:
                            threading.Thread(target=go_on, args=(request,)).start()
                        else:
                            request.get_response_sender().send(answer(str(os.getpid())), flags=FINAL)
            """,
            Config + """
            output { name: "Z" data_type: TYPE_FP32 dims: -1 } parameters { key: "SHARED_MEMORY_BYTES" value { string_value: "8388608" } }
            """);
        using var client = server.CreateClient();
        var stream = client.OpenInferStream(Patient);
        await stream.WriteAsync(Request(0));
        var process = (await NextAsync(stream))![2..];
        await stream.DisposeAsync();
        await Eventually.TrueAsync(() => server.Host.ActiveCount == 0, () => "the call is still served");
        await File.WriteAllTextAsync(PathOf(server, "go"), "");
        await Eventually.TrueAsync(() => File.Exists(PathOf(server, "notes")), () => server.Log);
        await using var other = client.OpenInferStream(Patient);
        await other.WriteAsync(Request(1));
        Assert.Equal($"1:{process}", await NextAsync(other));
    }

    [Fact]
    public async Task Unavailable_OfADecoupledStep_ComesOutOfAnEnsembleInItsOwnWords()
    {
        await using var server = await StartAsync(
            Beginning + """
            class TritonPythonModel:
                def execute(self, requests):
                    for request in requests:
                        request.get_response_sender().send(error("closed today", pb.TritonError.UNAVAILABLE), flags=FINAL)
            """,
            Config,
            models => WrittenModels.Write(models, "outer", """
                platform: "ensemble" max_batch_size: 8 model_transaction_policy { decoupled: true }
                input { name: "A" data_type: TYPE_FP32 dims: 1 } output { name: "B" data_type: TYPE_STRING dims: -1 }
                ensemble_scheduling { step { model_name: "own" model_version: -1
                  input_map { key: "X" value: "A" } output_map { key: "Y" value: "B" } } }
                """));
        using var client = server.CreateClient();
        await client.LoadModelAsync("outer");
        await using var stream = client.OpenInferStream(Patient);
        await stream.WriteAsync(new InferRequestMessage { ModelName = "outer", Id = "e", Inputs = [InferInput.Create<float>("A", [1], 1, 1)] });
        Assert.Equal("e:in ensemble 'outer', closed today", await NextAsync(stream));
        await stream.WriteAsync(Request(1));
        Assert.Equal("1:closed today", await NextAsync(stream));
    }

    private const string Waiting = Beginning + """
        async def stubborn(event):
            while not event.is_set():
                try:
                    await event.wait()
                except asyncio.CancelledError:
                    pass
        class TritonPythonModel:
            def initialize(self, args):
                self.told = asyncio.Event()
            async def execute(self, requests):
                for request in requests:
                    sender = request.get_response_sender()
                    if value(request) == 0:
                        sender.send(answer("waits"))
                        await self.told.wait()
                        self.told.clear()
                    elif value(request) == 1:
                        await asyncio.sleep(0)
                        raise ValueError("on purpose")
                    elif value(request) == 2:
                        self.told.set()
                    else:
                        await asyncio.sleep(0)
                        raise SystemExit(5)
                    sender.send(answer("done"), flags=FINAL)
        """;

    /// <summary>Unloads the model, which waits for every request of it.</summary>
    private static async Task ExpectUnloadAsync(OperatedServer server, SluiceClient client)
    {
        await client.UnloadModelAsync("own");
        await Eventually.TrueAsync(
            () => client.GetRepositoryIndexAsync().Result.Single(model => model.Name == "own").State == "UNAVAILABLE",
            () => server.Log);
    }

    private static string PathOf(OperatedServer server, string name) => Path.Combine(server.Folder, "models", "own", "1", name);

    private static InferRequestMessage Request(int number) => new()
    {
        ModelName = "own",
        Id = $"{number}",
        Inputs = [InferInput.Create<float>("X", [number], 1, 1)],
    };

    /// <summary>Reads one answer as text: id and value, or id and error.</summary>
    private static async Task<string?> NextAsync(InferStreamCall stream)
    {
        using var result = await stream.ReadAsync().AsTask().WaitAsync(ServerFixture.Patience);
        return result is null ? null : $"{result.Id}:{result.Error ?? result.GetStrings("Y")[0]}";
    }

    private static async Task<List<string>> RestAsync(InferStreamCall stream)
    {
        var found = new List<string>();
        while (await NextAsync(stream) is { } next)
            found.Add(next);
        return found;
    }

    private static async Task<OperatedServer> StartAsync(string code, string config, Action<string>? prepare = null)
    {
        var server = await OperatedServer.StartAsync((options, folder) =>
        {
            var models = Path.Combine(folder, "models");
            var version = Directory.CreateDirectory(Path.Combine(models, "own", "1")).FullName;
            File.WriteAllText(Path.Combine(version, "model.py"), code);
            File.WriteAllText(Path.Combine(version, "..", "config.pbtxt"), config);
            prepare?.Invoke(models);
            return options with { ModelControlMode = ModelControlMode.Explicit };
        });
        using var client = server.CreateClient();
        await client.LoadModelAsync("own");
        return server;
    }
}
