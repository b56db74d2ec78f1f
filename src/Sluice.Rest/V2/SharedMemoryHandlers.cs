using System.Text.Json;
using Google.Protobuf;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Rest.Calls;
using Sluice.Rest.Json;

namespace Sluice.Rest.V2;

/// <summary>Serves the regions of shared memory that clients register.</summary>
internal sealed class SharedMemoryHandlers(UnaryMethods methods)
{
    public async ValueTask SystemStatusAsync(RestCall call)
    {
        var request = new SystemSharedMemoryStatusRequest { Name = call.Target.Region };
        var status = (SystemSharedMemoryStatusResponse)await methods.InvokeAsync("SystemSharedMemoryStatus", request, call)
            .ConfigureAwait(false);
        await SendAsync(call, Sorted(status.Regions)).ConfigureAwait(false);
    }

    public async ValueTask SystemRegisterAsync(RestCall call)
    {
        var request = new SystemSharedMemoryRegisterRequest { Name = call.Target.Region };
        using (var body = await JsonBody.ReadAsync(call).ConfigureAwait(false))
        {
            request.Key = JsonBody.Member(body, "key", JsonTokenType.String).GetString()!;
            if (JsonBody.TryMember(body, "offset", out var offset))
                request.Offset = Unsigned("offset", offset);
            request.ByteSize = Unsigned("byte_size", JsonBody.Member(body, "byte_size", JsonTokenType.Number));
        }

        await methods.InvokeAsync("SystemSharedMemoryRegister", request, call).ConfigureAwait(false);
        call.SendEmpty();
    }

    public async ValueTask SystemUnregisterAsync(RestCall call)
    {
        var request = new SystemSharedMemoryUnregisterRequest { Name = call.Target.Region };
        await methods.InvokeAsync("SystemSharedMemoryUnregister", request, call).ConfigureAwait(false);
        call.SendEmpty();
    }

    public async ValueTask CudaStatusAsync(RestCall call)
    {
        var request = new CudaSharedMemoryStatusRequest { Name = call.Target.Region };
        var status = (CudaSharedMemoryStatusResponse)await methods.InvokeAsync("CudaSharedMemoryStatus", request, call)
            .ConfigureAwait(false);
        await SendAsync(call, Sorted(status.Regions)).ConfigureAwait(false);
    }

    public async ValueTask CudaRegisterAsync(RestCall call)
    {
        var request = new CudaSharedMemoryRegisterRequest { Name = call.Target.Region };
        using (var body = await JsonBody.ReadAsync(call).ConfigureAwait(false))
        {
            var handle = JsonBody.Member(body, "raw_handle", JsonTokenType.StartObject);
            if (!handle.TryGetProperty("b64", out var text) || text.ValueKind != JsonValueKind.String ||
                !text.TryGetBytesFromBase64(out var bytes))
                throw InferenceException.Invalid("Unable to parse 'raw_handle': its member 'b64' is no base64 text");
            request.RawHandle = ByteString.CopyFrom(bytes);
            request.DeviceId = (long)Unsigned("device_id", JsonBody.Member(body, "device_id", JsonTokenType.Number));
            request.ByteSize = Unsigned("byte_size", JsonBody.Member(body, "byte_size", JsonTokenType.Number));
        }

        await methods.InvokeAsync("CudaSharedMemoryRegister", request, call).ConfigureAwait(false);
        call.SendEmpty();
    }

    public async ValueTask CudaUnregisterAsync(RestCall call)
    {
        var request = new CudaSharedMemoryUnregisterRequest { Name = call.Target.Region };
        await methods.InvokeAsync("CudaSharedMemoryUnregister", request, call).ConfigureAwait(false);
        call.SendEmpty();
    }

    private static IEnumerable<IMessage> Sorted<T>(IEnumerable<KeyValuePair<string, T>> regions)
        where T : IMessage => regions.OrderBy(region => region.Key, StringComparer.Ordinal).Select(region => (IMessage)region.Value);

    private static ValueTask SendAsync(RestCall call, IEnumerable<IMessage> regions)
    {
        using (var writer = new Utf8JsonWriter(call.Output, MessageJsonWriter.Options))
            MessageJsonWriter.WriteArray(writer, regions);
        return call.SendPlainJsonAsync();
    }

    private static ulong Unsigned(string name, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetUInt64(out var number)
            ? number
            : throw InferenceException.Invalid(
                $"Unable to parse '{name}': attempt to access JSON non-unsigned-integer as unsigned-integer");
}
