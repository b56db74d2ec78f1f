using System.Runtime.InteropServices;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Protocol.Inference;
using Sluice.Testing;
using static Sluice.Functional.Tests.Infrastructure.SharedMemoryClient;
using InferStream = Sluice.Client.RpcStreamCall<
    Sluice.Protocol.Inference.ModelInferRequest, Sluice.Protocol.Inference.ModelStreamInferResponse>;

namespace Sluice.Functional.Tests;

/// <summary>Tensors in shared memory, and outputs as classes, on streams and with decoupled models.</summary>
public sealed class StreamPlacementTests : IAsyncLifetime, IDisposable
{
    private const int Size = 64 * 1024;

    private readonly SharedMemoryFile _file = new(Size);
    private OwnServer _server = null!;
    private SharedMemoryClient _client = null!;

    public async Task InitializeAsync()
    {
        _server = await OwnServer.StartAsync(
            options => options with { AllowClientShm = true }, "repeat_int32", "square_faulty", "identity_decoupled", "wide", "identity_batch");
        _client = new SharedMemoryClient(_server);
        await _client.RegisterAsync("r", _file, Size);
    }

    public async Task DisposeAsync()
    {
        Assert.Equal(0, _server.Host.SharedMemory!.UserCount);
        await _client.UnregisterAsync("");
        Assert.Empty(await _client.ListAsync());
        await _server.DisposeAsync();
    }

    public void Dispose() => _file.Dispose();

    [Fact]
    public async Task Decoupled_OutputInARegion_EachResponseIsWrittenThere()
    {
        _file.Write(0, Bytes(11, 22, 33));
        var request = Repeat("a", Input("IN", "INT32", "r", 12, 0, 3), 0, 0, 0);
        request.Outputs.Add(Output("OUT", "r", 8, 4096));
        request.Outputs.Add(new ModelInferRequest.Types.InferRequestedOutputTensor { Name = "IDX" });
        await using var stream = Open();

        // One response at a time: the next may be there before the last one is read.
        for (var i = 0; i < 3; i++)
        {
            request.Inputs[0] = Input("IN", "INT32", "r", 4, 4 * i, 1);
            request.Inputs[1] = Uints("DELAY", 0);
            await stream.WriteAsync(request);
            var response = await NextAsync(stream);
            Assert.Equal(Bytes(11 * (i + 1)), _file.Read(4096, 4));
            var place = response.InferResponse.Outputs[0];
            Assert.Equal(("OUT", "INT32"), (place.Name, place.Datatype));
            Assert.Equal("r", place.Parameters["shared_memory_region"].StringParam);
            Assert.Equal(4, place.Parameters["shared_memory_byte_size"].Int64Param);
            Assert.Equal(4096, place.Parameters["shared_memory_offset"].Int64Param);
            Assert.Equal([0, 4], response.InferResponse.RawOutputContents.Select(raw => raw.Length));
        }

        stream.Complete();
        Assert.Null(await stream.ReadAsync());
    }

    [Fact]
    public async Task Decoupled_FloatsInARegion_GoThroughInPlace()
    {
        var data = new byte[8192];
        new Random(5).NextBytes(data);
        _file.Write(0, data);
        var request = Request("identity_decoupled", Input("INPUT0", "FP32", "r", data.Length, 0, data.Length / 4));
        request.Outputs.Add(Output("OUTPUT0", "r", data.Length, 16384));
        await using var stream = Open();
        await stream.WriteAsync(request);
        var response = await NextAsync(stream);
        Assert.Empty(response.InferResponse.RawOutputContents[0]);
        Assert.Equal(data, _file.Read(16384, data.Length));
    }

    [Fact]
    public async Task Decoupled_OutputWithTooLittleRoom_IsAnErrorOfEachResponse()
    {
        _file.Write(0, Bytes(1, 2));
        var request = Repeat("a", Input("IN", "INT32", "r", 8, 0, 2), 0, 0);
        request.Parameters["triton_enable_empty_final_response"] = new InferParameter { BoolParam = true };
        request.Outputs.Add(Output("OUT", "r", 3, 64));
        await using var stream = Open();
        await stream.WriteAsync(request);
        for (var i = 0; i < 2; i++)
            Assert.Equal(
                "shared memory size specified with the request for output 'OUT' (3 bytes) should be at least 4 bytes to hold the results",
                (await NextAsync(stream)).ErrorMessage);
        var final = await NextAsync(stream);
        Assert.True(final.InferResponse.Parameters["triton_final_response"].BoolParam);
        Assert.Empty(final.ErrorMessage);
    }

    [Fact]
    public async Task Decoupled_OutputAsClasses_IsRankedInEachResponse()
    {
        _file.Write(0, Bytes(7, 8));
        var request = Repeat("a", Input("IN", "INT32", "r", 8, 0, 2), 0, 0);
        var output = new ModelInferRequest.Types.InferRequestedOutputTensor { Name = "OUT" };
        output.Parameters["classification"] = new InferParameter { Int64Param = 1 };
        request.Outputs.Add(output);
        await using var stream = Open();
        await stream.WriteAsync(request);
        for (var i = 7; i <= 8; i++)
        {
            var response = (await NextAsync(stream)).InferResponse;
            Assert.Equal("BYTES", response.Outputs[0].Datatype);
            Assert.Equal($"\u0003\0\0\0{i}:0", response.RawOutputContents[0].ToStringUtf8());
        }
    }

    [Fact]
    public async Task Decoupled_ModelThatFails_GivesTheRegionBackOnce()
    {
        _file.Write(0, Bytes(4));
        var request = Request("square_faulty", Input("IN", "INT32", "r", 4, 0, 1));
        request.Outputs.Add(Output("OUT", "r", 4, 64));
        request.Parameters["triton_enable_empty_final_response"] = new InferParameter { BoolParam = true };
        await using var stream = Open();
        await stream.WriteAsync(request);
        Assert.Equal(["", "simulated failure", "simulated failure", ""], await ErrorsAsync(stream, 4));
        Assert.Equal(Bytes(4), _file.Read(64, 4));
        await Eventually.TrueAsync(() => _server.Host.SharedMemory!.UserCount == 0, () => "the region is held");
    }

    [Fact]
    public async Task Decoupled_StreamThatIsCancelled_GivesTheRegionBackOnce()
    {
        await _client.RegisterAsync("busy", _file, 64);
        _file.Write(0, Bytes(1, 2));
        var request = Repeat("a", Input("IN", "INT32", "busy", 8, 0, 2), 0, SampleRequests.Forever);
        request.Outputs.Add(Output("OUT", "busy", 4, 32));
        var stream = Open();
        await stream.WriteAsync(request);
        await NextAsync(stream);
        Assert.Equal(2, _server.Host.SharedMemory!.UserCount);
        await _client.UnregisterAsync("busy");
        Assert.Equal(["busy", "r"], await _client.ListAsync());
        await stream.DisposeAsync();
        await Eventually.TrueAsync(() => _server.Host.SharedMemory!.Count == 1, () => "the region stays");
    }

    [Theory]
    [InlineData("wide")]
    [InlineData("identity_decoupled")]
    public async Task ManyInFlight_EachFromAndToItsOwnPlace(string model)
    {
        const int Count = 60;
        for (var i = 0; i < Count; i++)
            _file.Write(512 * i, Bytes(i, -i));
        await using var stream = Open();
        var writing = Task.Run(async () =>
        {
            for (var i = 0; i < Count; i++)
            {
                var request = Request(model, Input("INPUT0", "FP32", "r", 8, 512 * i, 2));
                request.Id = $"{i}";
                request.Outputs.Add(Output("OUTPUT0", "r", 8, (512 * i) + 256));
                await stream.WriteAsync(request);
            }
        });
        for (var i = 0; i < Count; i++)
        {
            var response = await NextAsync(stream);
            var id = int.Parse(response.InferResponse.Id, System.Globalization.CultureInfo.InvariantCulture);
            Assert.Equal("", response.ErrorMessage);
            Assert.Equal(Bytes(id, -id), _file.Read((512 * id) + 256, 8));
        }

        await writing;
    }

    /// <summary>Regions are held until the answer is ready, and given back before a slow reader reads it.</summary>
    [Fact]
    public async Task Ordinary_WrongPlaceOnAStream_IsAnswerInTheStream()
    {
        await using var stream = Open();
        await stream.WriteAsync(Request("wide", Input("INPUT0", "FP32", "nowhere", 8, 0, 2)));
        Assert.Equal("Unable to find shared memory region: 'nowhere'", (await NextAsync(stream)).ErrorMessage);
        await stream.WriteAsync(Request("repeat_int32", Input("IN", "INT32", "r", 8, Size - 4, 2)));
        Assert.Equal("Invalid offset + byte size for shared memory region: 'r'", (await NextAsync(stream)).ErrorMessage);
    }

    private static byte[] Bytes(params int[] values) => MemoryMarshal.AsBytes<int>(values).ToArray();

    private static ModelInferRequest.Types.InferInputTensor Uints(string name, params uint[] values) => new()
    {
        Name = name,
        Datatype = "UINT32",
        Shape = { values.Length },
        Contents = new InferTensorContents { UintContents = { values } },
    };

    private static ModelInferRequest Repeat(string id, ModelInferRequest.Types.InferInputTensor values, params uint[] delays)
    {
        var request = Request("repeat_int32", values, Uints("DELAY", delays), Uints("WAIT", 0));
        request.Id = id;
        return request;
    }

    private InferStream Open() => _server.Grpc.OpenStream<ModelInferRequest, ModelStreamInferResponse>(
        OwnServer.Service + "ModelStreamInfer", ModelStreamInferResponse.Parser);

    private static async Task<ModelStreamInferResponse> NextAsync(InferStream stream) =>
        (await stream.ReadAsync().AsTask().WaitAsync(ServerFixture.Patience))!;

    private static async Task<string[]> ErrorsAsync(InferStream stream, int count)
    {
        var errors = new string[count];
        for (var i = 0; i < count; i++)
            errors[i] = (await NextAsync(stream)).ErrorMessage;
        return errors;
    }
}
