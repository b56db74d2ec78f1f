using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Rpc.Calls;
using Sluice.Tensors.SharedMemory;

namespace Sluice.Server.Services;

/// <summary>Serves the regions of shared memory that clients register (spec §1.8).</summary>
/// <param name="regions">Regions in the machine's memory; null = the operator has not allowed shared memory.</param>
/// <param name="devices">Regions in the memory of GPUs.</param>
public sealed class SharedMemoryService(SharedMemoryRegistry? regions, IDeviceRegions devices)
{
    /// <summary>The service's methods.</summary>
    public IEnumerable<RpcMethod> Methods =>
    [
        Method("SystemSharedMemoryStatus", SystemSharedMemoryStatusRequest.Parser, Status),
        Method("SystemSharedMemoryRegister", SystemSharedMemoryRegisterRequest.Parser, Register),
        Method("SystemSharedMemoryUnregister", SystemSharedMemoryUnregisterRequest.Parser, Unregister),
        Method("CudaSharedMemoryStatus", CudaSharedMemoryStatusRequest.Parser, Status),
        Method("CudaSharedMemoryRegister", CudaSharedMemoryRegisterRequest.Parser, Register),
        Method("CudaSharedMemoryUnregister", CudaSharedMemoryUnregisterRequest.Parser, Unregister),
    ];

    private static UnaryMethod<TRequest, TResponse> Method<TRequest, TResponse>(
        string name, Google.Protobuf.MessageParser<TRequest> parser, Func<TRequest, TResponse> answer)
        where TRequest : class, Google.Protobuf.IMessage<TRequest>, new()
        where TResponse : class, Google.Protobuf.IMessage<TResponse> =>
        new(InferenceService.Name, name, parser, (request, _) =>
        {
            try
            {
                return ValueTask.FromResult(answer(request));
            }
            catch (SharedMemoryException error)
            {
                throw error.ToInferenceException();
            }
        });

    private SystemSharedMemoryStatusResponse Status(SystemSharedMemoryStatusRequest request)
    {
        var response = new SystemSharedMemoryStatusResponse();
        if (regions is null && request.Name.Length == 0)
            return response;
        foreach (var region in Allowed().List(request.Name))
        {
            response.Regions[region.Name] = new SystemSharedMemoryStatusResponse.Types.RegionStatus
            {
                Name = region.Name,
                Key = region.Key,
                Offset = region.Offset,
                ByteSize = region.ByteSize,
            };
        }

        return response;
    }

    private SystemSharedMemoryRegisterResponse Register(SystemSharedMemoryRegisterRequest request)
    {
        Allowed().Register(request.Name, request.Key, request.Offset, request.ByteSize);
        return new SystemSharedMemoryRegisterResponse();
    }

    private SystemSharedMemoryUnregisterResponse Unregister(SystemSharedMemoryUnregisterRequest request)
    {
        if (request.Name.Length == 0)
            Allowed().UnregisterAll();
        else
            Allowed().Unregister(request.Name);
        return new SystemSharedMemoryUnregisterResponse();
    }

    private CudaSharedMemoryStatusResponse Status(CudaSharedMemoryStatusRequest request)
    {
        var response = new CudaSharedMemoryStatusResponse();
        foreach (var region in devices.List(request.Name))
        {
            response.Regions[region.Name] = new CudaSharedMemoryStatusResponse.Types.RegionStatus
            {
                Name = region.Name,
                DeviceId = region.DeviceId,
                ByteSize = region.ByteSize,
            };
        }

        return response;
    }

    private CudaSharedMemoryRegisterResponse Register(CudaSharedMemoryRegisterRequest request)
    {
        Allowed();
        devices.Register(request.Name, request.RawHandle.Span, request.DeviceId, request.ByteSize);
        return new CudaSharedMemoryRegisterResponse();
    }

    private CudaSharedMemoryUnregisterResponse Unregister(CudaSharedMemoryUnregisterRequest request)
    {
        Allowed();
        devices.Unregister(request.Name);
        return new CudaSharedMemoryUnregisterResponse();
    }

    private SharedMemoryRegistry Allowed() =>
        regions ?? throw new InferenceException(InferenceCode.Unimplemented, TensorPlacement.Disabled);
}
