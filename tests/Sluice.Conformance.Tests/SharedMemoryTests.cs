using Sluice.Conformance.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Testing;
using static Sluice.Conformance.Tests.Infrastructure.Requests;
using OutputMessage = Sluice.Protocol.Inference.ModelInferRequest.Types.InferRequestedOutputTensor;

namespace Sluice.Conformance.Tests;

/// <summary>Regions of system shared memory (spec §0.1, §0.2, §1.5, §1.8); the server must run on this machine.</summary>
[Collection(ConformanceGroup.Name)]
public sealed class SharedMemoryTests(ConformanceTarget target) : IAsyncLifetime, IDisposable
{
    private readonly SharedMemoryFile _file = new(4096);

    public Task InitializeAsync() => RegisterAsync("region", 0, 4096);

    public Task DisposeAsync() => UnregisterAsync("");

    public void Dispose() => _file.Dispose();

    [Fact]
    public async Task S1_8_Status_ListsRegions()
    {
        await RegisterAsync("other", 16, 64);
        var all = await StatusAsync("");
        Assert.Equal(["other", "region"], all.Regions.Keys.Order(StringComparer.Ordinal));
        var other = Assert.Single((await StatusAsync("other")).Regions).Value;
        Assert.Equal(("other", _file.Key, 16ul, 64ul), (other.Name, other.Key, other.Offset, other.ByteSize));
        var json = (await target.GetAsync("/v2/systemsharedmemory/region/other/status")).Json;
        Assert.Equal(64, Assert.Single(json.EnumerateArray()).GetProperty("byte_size").GetInt64());
        await UnregisterAsync("other");
        Assert.Equal(["region"], (await StatusAsync("")).Regions.Keys);
    }

    [Fact]
    public async Task S1_8_Register_TheSameNameTwice_AlreadyExists()
    {
        var answer = await target.FailAsync("SystemSharedMemoryRegister", Register("region", 0, 64));
        Assert.Equal((InferenceCode.AlreadyExists, "shared memory region 'region' already in manager"), answer);
        var http = await target.PostAsync("/v2/systemsharedmemory/region/region/register", $$"""{"key":"{{_file.Key}}","offset":0,"byte_size":64}""");
        Assert.Equal((400, "shared memory region 'region' already in manager"), (http.Status, http.Error));
    }

    [Fact]
    public async Task S1_8_Unregister_Unknown_IsNoError() => await UnregisterAsync("nobody");

    [Fact]
    public async Task S1_5_InputsAndOutputs_InRegions_LeaveAnEmptyRawEntry()
    {
        _file.Write(0, Bytes<int>([.. Enumerable.Range(0, 16)]));
        var request = Typed("simple", Tensor("INPUT0", "INT32", 1, 16), Tensor("INPUT1", "INT32", 1, 16));
        Place(request.Inputs[0].Parameters, "region", 64);

        // The counter of raw contents advances only for inputs that do not lie in shared memory.
        request.RawInputContents.Add(Google.Protobuf.ByteString.CopyFrom(Bytes<int>([.. Enumerable.Repeat(1, 16)])));
        var placed = new OutputMessage { Name = "OUTPUT0" };
        Place(placed.Parameters, "region", 64);
        placed.Parameters["shared_memory_offset"] = new InferParameter { Int64Param = 1024 };
        request.Outputs.Add(placed);
        request.Outputs.Add(new OutputMessage { Name = "OUTPUT1" });
        var response = await target.CallAsync<ModelInferResponse>("ModelInfer", request);
        Assert.Equal(["OUTPUT0", "OUTPUT1"], response.Outputs.Select(output => output.Name));
        Assert.Equal([0, 64], response.RawOutputContents.Select(raw => raw.Length));
        Assert.Equal("region", response.Outputs[0].Parameters["shared_memory_region"].StringParam);
        Assert.Equal(Bytes<int>([.. Enumerable.Range(1, 16)]), _file.Read(1024, 64));
    }

    [Fact]
    public async Task S1_5_Output_TooSmallARegion_IsInternalAndNamesBothSizes()
    {
        var placed = new OutputMessage { Name = "OUTPUT0" };
        Place(placed.Parameters, "region", 60);
        var answer = await target.FailAsync("ModelInfer", Infer("simple", Good).Asking(placed));
        Assert.Equal(InferenceCode.Internal, answer.Code);
        Expected.Text("*shared memory size specified with the request for output 'OUTPUT0' (60 bytes) should be at least 64 bytes to hold the results", answer.Text);
    }

    [Fact]
    public async Task S1_5_Output_ClassesInARegion_AreRefused()
    {
        var placed = new OutputMessage { Name = "OUTPUT0" };
        Place(placed.Parameters, "region", 64);
        placed.Parameters["classification"] = new InferParameter { Int64Param = 1 };
        var answer = await target.FailAsync("ModelInfer", Infer("simple", Good).Asking(placed));
        Assert.Equal((InferenceCode.InvalidArgument, "output can't set both 'shared_memory_region' and 'classification'"), answer);
    }

    [Fact]
    public async Task S1_3_Input_InARegionAndTyped_IsRefused()
    {
        var request = Typed("simple", Tensor("INPUT0", "INT32", 1, 16).With(new InferTensorContents { IntContents = { 1 } }), Tensor("INPUT1", "INT32", 1, 16));
        Place(request.Inputs[0].Parameters, "region", 64);
        Place(request.Inputs[1].Parameters, "region", 64);
        var answer = await target.FailAsync("ModelInfer", request);
        Assert.Equal((InferenceCode.InvalidArgument, "unexpected 'content' provided when using shared memory for input tensor 'INPUT0' for model 'simple'"), answer);
    }

    [Theory]
    [InlineData(5000, 8, "Invalid offset for shared memory region: 'region'")]
    [InlineData(4090, 64, "Invalid offset + byte size for shared memory region: 'region'")]
    public async Task S1_8_Input_PastTheRegion_IsRefused(long offset, long byteSize, string text)
    {
        var request = Typed("simple", Tensor("INPUT0", "INT32", 1, 16), Tensor("INPUT1", "INT32", 1, 16));
        foreach (var input in request.Inputs)
        {
            Place(input.Parameters, "region", byteSize);
            input.Parameters["shared_memory_offset"] = new InferParameter { Int64Param = offset };
        }

        var answer = await target.FailAsync("ModelInfer", request);
        Assert.Equal((InferenceCode.InvalidArgument, text), answer);
    }

    [OwnServerFact]
    public async Task S1_8_Cuda_WithoutAGpu_IsRefused()
    {
        var request = new CudaSharedMemoryRegisterRequest { Name = "g", RawHandle = Google.Protobuf.ByteString.CopyFrom(new byte[64]), ByteSize = 64 };
        var answer = await target.FailAsync("CudaSharedMemoryRegister", request);
        Assert.Equal((InferenceCode.InvalidArgument, "failed to register CUDA shared memory region: 'g', GPUs not supported"), answer);
    }

    private SystemSharedMemoryRegisterRequest Register(string name, ulong offset, ulong byteSize) =>
        new() { Name = name, Key = _file.Key, Offset = offset, ByteSize = byteSize };

    private Task<SystemSharedMemoryRegisterResponse> RegisterAsync(string name, ulong offset, ulong byteSize) =>
        target.CallAsync<SystemSharedMemoryRegisterResponse>("SystemSharedMemoryRegister", Register(name, offset, byteSize));

    private Task<SystemSharedMemoryUnregisterResponse> UnregisterAsync(string name) =>
        target.CallAsync<SystemSharedMemoryUnregisterResponse>("SystemSharedMemoryUnregister", new SystemSharedMemoryUnregisterRequest { Name = name });

    private Task<SystemSharedMemoryStatusResponse> StatusAsync(string name) =>
        target.CallAsync<SystemSharedMemoryStatusResponse>("SystemSharedMemoryStatus", new SystemSharedMemoryStatusRequest { Name = name });
}
