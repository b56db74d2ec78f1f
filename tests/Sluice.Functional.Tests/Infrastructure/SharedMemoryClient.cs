using Google.Protobuf;
using Sluice.Client;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Testing;
using InputMessage = Sluice.Protocol.Inference.ModelInferRequest.Types.InferInputTensor;
using OutputMessage = Sluice.Protocol.Inference.ModelInferRequest.Types.InferRequestedOutputTensor;

namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>Makes and sends gRPC requests whose tensors lie in shared memory.</summary>
internal sealed class SharedMemoryClient(OwnServer server)
{
    public Task RegisterAsync(string name, SharedMemoryFile file, ulong byteSize, ulong offset = 0) =>
        server.CallAsync<SystemSharedMemoryRegisterResponse>(
            "SystemSharedMemoryRegister",
            new SystemSharedMemoryRegisterRequest { Name = name, Key = file.Key, Offset = offset, ByteSize = byteSize });

    public Task UnregisterAsync(string name) => server.CallAsync<SystemSharedMemoryUnregisterResponse>(
        "SystemSharedMemoryUnregister", new SystemSharedMemoryUnregisterRequest { Name = name });

    public async Task<string[]> ListAsync(string name = "")
    {
        var status = await server.CallAsync<SystemSharedMemoryStatusResponse>(
            "SystemSharedMemoryStatus", new SystemSharedMemoryStatusRequest { Name = name });
        return [.. status.Regions.Keys.Order(StringComparer.Ordinal)];
    }

    public Task<ModelInferResponse> InferAsync(ModelInferRequest request, CancellationToken cancellationToken = default) =>
        server.Grpc.CallAsync(OwnServer.Service + "ModelInfer", request, ModelInferResponse.Parser, null, cancellationToken);

    public static async Task<SluiceException> FailsAsync(Task call, InferenceCode code)
    {
        var failure = await Assert.ThrowsAsync<SluiceException>(() => call);
        Assert.Equal(code, failure.Code);
        return failure;
    }

    public static ModelInferRequest Request(string model, params InputMessage[] inputs) => new() { ModelName = model, Inputs = { inputs } };

    public static InputMessage Input(string name, string type, string region, long byteSize, long offset, params long[] shape)
    {
        var input = new InputMessage { Name = name, Datatype = type, Shape = { shape } };
        AddPlace(input.Parameters, region, byteSize, offset);
        return input;
    }

    public static OutputMessage Output(string name, string region, long byteSize, long offset)
    {
        var output = new OutputMessage { Name = name };
        AddPlace(output.Parameters, region, byteSize, offset);
        return output;
    }

    public static ByteString Raw(params int[] values) =>
        ByteString.CopyFrom(System.Runtime.InteropServices.MemoryMarshal.AsBytes<int>(values));

    private static void AddPlace(
        Google.Protobuf.Collections.MapField<string, InferParameter> parameters, string region, long byteSize, long offset)
    {
        parameters["shared_memory_region"] = new InferParameter { StringParam = region };
        parameters["shared_memory_byte_size"] = new InferParameter { Int64Param = byteSize };
        if (offset != 0)
            parameters["shared_memory_offset"] = new InferParameter { Int64Param = offset };
    }
}
