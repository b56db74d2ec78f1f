using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using Google.Protobuf;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Testing;
using static Sluice.Functional.Tests.Infrastructure.SharedMemoryClient;

namespace Sluice.Functional.Tests;

/// <summary>Tensors in the client's shared memory, over gRPC and HTTP, with what can go wrong.</summary>
public sealed class SharedMemoryTests : IAsyncLifetime, IDisposable
{
    private const int Wide = 64 * 1024;

    private readonly SharedMemoryFile _file = new(4 * Wide);
    private OwnServer _server = null!;
    private SharedMemoryClient _client = null!;

    public async Task InitializeAsync()
    {
        _server = await OwnServer.StartAsync(
            options => options with { AllowClientShm = true }, "add_sub_int32", "string_identity", "wide", "slow");
        _client = new SharedMemoryClient(_server);
        await _client.RegisterAsync("r", _file, 4 * Wide);
    }

    public async Task DisposeAsync()
    {
        await _client.UnregisterAsync("");
        Assert.Empty(await _client.ListAsync());
        await _server.DisposeAsync();
    }

    public void Dispose() => _file.Dispose();

    [Fact]
    public async Task Infer_InputsAndOutputsInARegion_ComeBackWithTheirPlaceAndEmptyContents()
    {
        WriteInts(0, Enumerable.Range(0, 16));
        WriteInts(64, Enumerable.Repeat(1, 16));
        var request = Request(
            "add_sub_int32", Input("INPUT0", "INT32", "r", 64, 0, 1, 16), Input("INPUT1", "INT32", "r", 64, 64, 1, 16));
        request.Outputs.Add(Output("OUTPUT0", "r", 100, 4096));
        request.Outputs.Add(Output("OUTPUT1", "r", 64, 0));
        var response = await _client.InferAsync(request);
        Assert.Equal(Enumerable.Range(1, 16), ReadInts(4096, 16));
        Assert.Equal(Enumerable.Range(-1, 16), ReadInts(0, 16));
        Assert.Equal([0, 0], response.RawOutputContents.Select(raw => raw.Length));
        Assert.Equal([1, 16], response.Outputs[0].Shape);
        var place = response.Outputs[0].Parameters;
        Assert.Equal("r", place["shared_memory_region"].StringParam);
        Assert.Equal(64, place["shared_memory_byte_size"].Int64Param);
        Assert.Equal(4096, place["shared_memory_offset"].Int64Param);
        Assert.False(response.Outputs[1].Parameters.ContainsKey("shared_memory_offset"));
    }

    [Fact]
    public async Task Infer_RawContentsBesideARegion_GoToTheOtherInput()
    {
        WriteInts(0, Enumerable.Repeat(100, 16));
        var request = Request("add_sub_int32", Input("INPUT0", "INT32", "r", 64, 0, 1, 16));
        request.Inputs.Add(new ModelInferRequest.Types.InferInputTensor { Name = "INPUT1", Datatype = "INT32", Shape = { 1, 16 } });
        request.RawInputContents.Add(Raw([.. Enumerable.Range(0, 16)]));
        request.Outputs.Add(Output("OUTPUT0", "r", 64, 64));
        request.Outputs.Add(new ModelInferRequest.Types.InferRequestedOutputTensor { Name = "OUTPUT1" });
        var response = await _client.InferAsync(request);
        Assert.Equal(Enumerable.Range(100, 16), ReadInts(64, 16));
        Assert.Equal(Raw([.. Enumerable.Range(0, 16).Select(i => 100 - i)]), response.RawOutputContents[1]);
    }

    [Fact]
    public async Task Infer_LargeFloatsAligned_GoThroughInPlace()
    {
        var data = new byte[Wide];
        new Random(3).NextBytes(data);
        _file.Write(Wide, data);
        var request = Request("wide", Input("INPUT0", "FP32", "r", Wide, Wide, Wide / 4));
        request.Outputs.Add(Output("OUTPUT0", "r", Wide, 2 * Wide));
        for (var i = 0; i < 3; i++)
            await _client.InferAsync(request);
        Assert.Equal(data, _file.Read(2 * Wide, Wide));
    }

    [Fact]
    public async Task Infer_Texts_AreCopiedOutAndIn()
    {
        byte[] texts = [2, 0, 0, 0, 97, 98, 0, 0, 0, 0, 1, 0, 0, 0, 99, 0, 0, 0, 0];
        _file.Write(3, texts);
        var request = Request("string_identity", Input("INPUT0", "BYTES", "r", texts.Length, 3, 1, 4));
        request.Outputs.Add(Output("OUTPUT0", "r", 1000, 5000));
        var response = await _client.InferAsync(request);
        Assert.Equal(texts, _file.Read(5000, texts.Length));
        Assert.Equal(texts.Length, response.Outputs[0].Parameters["shared_memory_byte_size"].Int64Param);
    }

    /// <summary>Lengths that change between their check and their use must not be believed.</summary>
    [Fact]
    public async Task Infer_TextsThatChangeMeanwhile_AreAnsweredOrRefused()
    {
        byte[] good = [2, 0, 0, 0, 97, 98, 0, 0, 0, 0, 1, 0, 0, 0, 99, 0, 0, 0, 0];
        _file.Write(0, good);
        using var stop = new CancellationTokenSource();
        var flipping = Task.Run(() =>
        {
            for (var i = 0; !stop.IsCancellationRequested; i++)
                _file.Write(0, i % 2 == 0 ? [0xFF, 0xFF, 0xFF, 0x7F] : [2, 0, 0, 0]);
        });
        var request = Request("string_identity", Input("INPUT0", "BYTES", "r", good.Length, 0, 1, 4));
        for (var i = 0; i < 200; i++)
        {
            try
            {
                Assert.Equal(good, (await _client.InferAsync(request)).RawOutputContents[0].ToByteArray());
            }
            catch (SluiceException error)
            {
                Assert.Equal(InferenceCode.InvalidArgument, error.Code);
            }
        }

        await stop.CancelAsync();
        await flipping;
    }

    [Theory]
    [InlineData("r", 64, 1 << 30, InferenceCode.InvalidArgument, "Invalid offset for shared memory region: 'r'")]
    [InlineData("r", 64, -1, InferenceCode.InvalidArgument, "Invalid offset for shared memory region: 'r'")]
    [InlineData("r", 64, (4 * Wide) - 63, InferenceCode.InvalidArgument, "Invalid offset + byte size for shared memory region: 'r'")]
    [InlineData("r", -1, 0, InferenceCode.InvalidArgument, "Invalid offset + byte size for shared memory region: 'r'")]
    [InlineData("x", 64, 0, InferenceCode.NotFound, "Unable to find shared memory region: 'x'")]
    [InlineData("r", 60, 0, InferenceCode.InvalidArgument, "[request id: <id_unknown>] input byte size mismatch for input 'INPUT0' for model 'add_sub_int32'. Expected 64, got 60")]
    public async Task Infer_WrongPlace_IsRefusedInTheWordsThatClientsKnow(
        string region, long byteSize, long offset, InferenceCode code, string message)
    {
        var request = Request(
            "add_sub_int32", Input("INPUT0", "INT32", region, byteSize, offset, 1, 16), Input("INPUT1", "INT32", "r", 64, 64, 1, 16));
        Assert.Equal(message, (await FailsAsync(_client.InferAsync(request), code)).Message);
    }

    [Fact]
    public async Task Infer_OutputWithTooLittleRoom_IsInternal()
    {
        var request = Request(
            "add_sub_int32", Input("INPUT0", "INT32", "r", 64, 0, 1, 16), Input("INPUT1", "INT32", "r", 64, 64, 1, 16));
        request.Outputs.Add(Output("OUTPUT0", "r", 63, 128));
        var failure = await FailsAsync(_client.InferAsync(request), InferenceCode.Internal);
        Assert.Equal(
            "shared memory size specified with the request for output 'OUTPUT0' (63 bytes) should be at least 64 bytes to hold the results",
            failure.Message);
    }

    [Fact]
    public async Task Infer_RegionAndClassification_IsRefused()
    {
        var request = Request(
            "add_sub_int32", Input("INPUT0", "INT32", "r", 64, 0, 1, 16), Input("INPUT1", "INT32", "r", 64, 64, 1, 16));
        request.Outputs.Add(Output("OUTPUT0", "r", 64, 128));
        request.Outputs[0].Parameters["classification"] = new InferParameter { Int64Param = 1 };
        var failure = await FailsAsync(_client.InferAsync(request), InferenceCode.InvalidArgument);
        Assert.Equal("output can't set both 'shared_memory_region' and 'classification'", failure.Message);
    }

    [Fact]
    public async Task Infer_ObjectMadeShorter_IsRefusedAndTheServerLives()
    {
        using var file = new SharedMemoryFile(Wide);
        await _client.RegisterAsync("short", file, Wide);
        var request = Request("wide", Input("INPUT0", "FP32", "short", Wide, 0, Wide / 4));
        await _client.InferAsync(request);
        file.SetLength(10);
        var failure = await FailsAsync(_client.InferAsync(request), InferenceCode.InvalidArgument);
        Assert.Contains("has become shorter", failure.Message, StringComparison.Ordinal);
        Assert.True(await _server.Grpc.IsServerLiveAsync());
    }

    [Fact]
    public async Task Infer_ObjectUnlinked_StillWorks()
    {
        using var file = new SharedMemoryFile(64);
        await _client.RegisterAsync("gone", file, 64);
        file.Unlink();
        var request = Request("wide", Input("INPUT0", "FP32", "gone", 64, 0, 16));
        Assert.Equal(64, (await _client.InferAsync(request)).RawOutputContents[0].Length);
    }

    [Fact]
    public async Task Unregister_WhileARequestUsesIt_IsPutOffUntilTheRequestHasEnded()
    {
        await _client.RegisterAsync("busy", _file, 64);
        var steps = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(steps, TestModels.EndlessSteps);
        _file.Write(0, steps);
        using var cancel = new CancellationTokenSource();
        var request = Request("slow", Input("STEPS", "INT64", "busy", 8, 0));
        request.Outputs.Add(Output("DONE", "busy", 8, 8));
        var call = _client.InferAsync(request, cancel.Token);
        await Eventually.TrueAsync(() => _server.Host.SharedMemory!.UserCount == 2, () => "the request does not hold its region");
        await _client.UnregisterAsync("busy");
        Assert.Equal(["busy", "r"], await _client.ListAsync());
        await FailsAsync(_client.RegisterAsync("busy", _file, 64), InferenceCode.AlreadyExists);

        // Another request may still use it, and ends it no sooner.
        BinaryPrimitives.WriteInt64LittleEndian(steps, 3);
        _file.Write(16, steps);
        var other = Request("wide", Input("INPUT0", "FP32", "busy", 8, 16, 2));
        await _client.InferAsync(other);
        Assert.Equal(["busy", "r"], await _client.ListAsync());

        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await Eventually.TrueAsync(() => _server.Host.SharedMemory!.Count == 1, () => "the region stays");
        await FailsAsync(_client.ListAsync("busy"), InferenceCode.NotFound);
    }

    [Fact]
    public async Task Unregister_BeforeTheAnswerIsRead_IsDoneWhenItIsRead()
    {
        for (var i = 0; i < 20; i++)
        {
            await _client.RegisterAsync("one", _file, 64);
            var call = _client.InferAsync(Request("wide", Input("INPUT0", "FP32", "one", 64, 0, 16)));
            await _client.UnregisterAsync("one");
            try
            {
                await call;
            }
            catch (SluiceException error)
            {
                Assert.Equal(InferenceCode.NotFound, error.Code);
            }

            Assert.Equal(["r"], await _client.ListAsync());
        }
    }

    [Fact]
    public async Task Register_ManyAtATime_SucceedsForOneOfThem()
    {
        var calls = Enumerable.Range(0, 32).Select(_ => _client.RegisterAsync("race", _file, 64)).ToArray();
        var failed = 0;
        foreach (var call in calls)
        {
            try
            {
                await call;
            }
            catch (SluiceException error)
            {
                Assert.Equal((InferenceCode.AlreadyExists, "shared memory region 'race' already in manager"), (error.Code, error.Message));
                failed++;
            }
        }

        Assert.Equal(31, failed);
    }

    [Fact]
    public async Task Stream_RequestsInARegion_AreAnsweredInOrder()
    {
        await using var stream = _server.Grpc.OpenStream<ModelInferRequest, ModelStreamInferResponse>(
            OwnServer.Service + "ModelStreamInfer", ModelStreamInferResponse.Parser);
        for (var i = 0; i < 20; i++)
        {
            var request = Request("wide", Input("INPUT0", "FP32", i == 7 ? "unknown" : "r", 64, 64 * i, 16));
            request.Id = $"{i}";
            request.Outputs.Add(Output("OUTPUT0", "r", 64, Wide + (64 * i)));
            await stream.WriteAsync(request);
        }

        stream.Complete();
        for (var i = 0; i < 20; i++)
        {
            var answer = await stream.ReadAsync();
            Assert.Equal(i == 7 ? "Unable to find shared memory region: 'unknown'" : "", answer!.ErrorMessage);
            Assert.Equal($"{i}", answer.InferResponse.Id);
        }
    }

    [Fact]
    public async Task Http_RegisterInferStatusUnregister_WorkTogether()
    {
        WriteInts(0, Enumerable.Range(0, 16));
        WriteInts(64, Enumerable.Repeat(1, 16));
        var register = $"{{\"key\":\"{_file.Key}\",\"offset\":64,\"byte_size\":1024}}";
        Assert.Equal((200, ""), await _server.PostAsync("/v2/systemsharedmemory/region/h%201/register", register));
        Assert.Equal(
            (200, $"[{{\"name\":\"h 1\",\"key\":\"{_file.Key}\",\"offset\":64,\"byte_size\":1024}}]"),
            await _server.GetAsync("/v2/systemsharedmemory/region/h%201/status"));
        var (status, text) = await _server.PostAsync(
            "/v2/models/add_sub_int32/infer",
            """
            {"inputs":[
              {"name":"INPUT0","shape":[1,16],"datatype":"INT32","parameters":{"shared_memory_region":"r","shared_memory_byte_size":64}},
              {"name":"INPUT1","shape":[1,16],"datatype":"INT32","parameters":{"shared_memory_region":"h 1","shared_memory_byte_size":64}}],
             "outputs":[
              {"name":"OUTPUT0","parameters":{"shared_memory_region":"h 1","shared_memory_byte_size":100,"shared_memory_offset":128}},
              {"name":"OUTPUT1"}]}
            """);
        Assert.Equal(200, status);
        using var json = JsonDocument.Parse(text);
        var outputs = json.RootElement.GetProperty("outputs");
        Assert.Equal("""{"name":"OUTPUT0","datatype":"INT32","shape":[1,16]}""", outputs[0].GetRawText());
        Assert.Equal(16, outputs[1].GetProperty("data").GetArrayLength());
        Assert.Equal(Enumerable.Range(1, 16), ReadInts(64 + 128, 16));
        Assert.Equal((200, ""), await _server.PostAsync("/v2/systemsharedmemory/region/h%201/unregister", ""));
        Assert.Equal((404, "{\"error\":\"Unable to find system shared memory region: 'h 1'\"}"), await _server.GetAsync("/v2/systemsharedmemory/region/h%201/status"));
        Assert.Equal((200, ""), await _server.PostAsync("/v2/systemsharedmemory/unregister", ""));
        Assert.Equal((200, "[]"), await _server.GetAsync("/v2/systemsharedmemory/status"));
    }

    [Theory]
    [InlineData("""{"byte_size":1}""", 400, "non-existing object member 'key'")]
    [InlineData("""{"key":"k"}""", 400, "non-existing object member 'byte_size'")]
    [InlineData("""{"key":5,"byte_size":1}""", 400, "Unable to parse 'key'")]
    [InlineData("""{"key":"k","byte_size":-1}""", 400, "Unable to parse 'byte_size'")]
    [InlineData("""{"key":"k","offset":1.5,"byte_size":1}""", 400, "Unable to parse 'offset'")]
    [InlineData("""{"key":"no-such-object","byte_size":1}""", 500, "Unable to open shared memory region: 'no-such-object'")]
    [InlineData("""{"key":"triton_python_backend_shm_region_1","byte_size":1}""", 400, "contains the reserved prefix")]
    [InlineData("", 400, "non-existing object member 'key'")]
    public async Task Http_BadRegister_IsRefused(string body, int status, string text)
    {
        var answer = await _server.PostAsync("/v2/systemsharedmemory/region/x/register", body);
        Assert.Equal(status, answer.Status);
        Assert.Contains(text, answer.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cuda_WithoutAGpu_ListsNothingAndRegistersNothing()
    {
        var status = await _server.CallAsync<CudaSharedMemoryStatusResponse>("CudaSharedMemoryStatus", new CudaSharedMemoryStatusRequest());
        Assert.Empty(status.Regions);
        var register = new CudaSharedMemoryRegisterRequest { Name = "g", RawHandle = ByteString.CopyFrom(new byte[64]), ByteSize = 8 };
        var failure = await FailsAsync(
            _server.CallAsync<CudaSharedMemoryRegisterResponse>("CudaSharedMemoryRegister", register), InferenceCode.InvalidArgument);
        Assert.Equal("failed to register CUDA shared memory region: 'g', GPUs not supported", failure.Message);
        await _server.CallAsync<CudaSharedMemoryUnregisterResponse>("CudaSharedMemoryUnregister", new CudaSharedMemoryUnregisterRequest());
        Assert.Equal((200, "[]"), await _server.GetAsync("/v2/cudasharedmemory/status"));
        Assert.Equal(404, (await _server.GetAsync("/v2/cudasharedmemory/region/g/status")).Status);
        var answer = await _server.PostAsync(
            "/v2/cudasharedmemory/region/g/register", """{"raw_handle":{"b64":"AAAA"},"device_id":0,"byte_size":8}""");
        Assert.Equal((400, "{\"error\":\"failed to register CUDA shared memory region: 'g', GPUs not supported\"}"), answer);
        Assert.Equal((200, ""), await _server.PostAsync("/v2/cudasharedmemory/unregister", ""));
    }

    private void WriteInts(int offset, IEnumerable<int> values) =>
        _file.Write(offset, MemoryMarshal.AsBytes<int>(values.ToArray()));

    private int[] ReadInts(int offset, int count) => MemoryMarshal.Cast<byte, int>(_file.Read(offset, count * 4)).ToArray();
}
