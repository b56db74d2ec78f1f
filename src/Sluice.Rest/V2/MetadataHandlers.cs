using System.Text.Json;
using Google.Protobuf;
using Sluice.Protocol.Inference;
using Sluice.Rest.Calls;
using Sluice.Rest.Json;

namespace Sluice.Rest.V2;

/// <summary>Serves health, metadata, configuration and statistics.</summary>
internal sealed class MetadataHandlers(UnaryMethods methods)
{
    private const int NotReady = 400;

    public async ValueTask LiveAsync(RestCall call)
    {
        var live = (ServerLiveResponse)await methods.InvokeAsync("ServerLive", new ServerLiveRequest(), call)
            .ConfigureAwait(false);
        call.SendEmpty(live.Live ? 200 : NotReady);
    }

    public async ValueTask ReadyAsync(RestCall call)
    {
        var ready = (ServerReadyResponse)await methods.InvokeAsync("ServerReady", new ServerReadyRequest(), call)
            .ConfigureAwait(false);
        call.SendEmpty(ready.Ready ? 200 : NotReady);
    }

    public async ValueTask ModelReadyAsync(RestCall call)
    {
        var request = new ModelReadyRequest { Name = call.Model, Version = call.Version };
        var ready = (ModelReadyResponse)await methods.InvokeAsync("ModelReady", request, call).ConfigureAwait(false);
        if (ready.Ready)
            call.SendEmpty();
        else
            call.SendError(NotReady, "Model version not ready");
    }

    public async ValueTask ServerAsync(RestCall call) =>
        await SendAsync(call, await methods.InvokeAsync("ServerMetadata", new ServerMetadataRequest(), call)
            .ConfigureAwait(false)).ConfigureAwait(false);

    public async ValueTask ModelAsync(RestCall call)
    {
        var request = new ModelMetadataRequest { Name = call.Model, Version = call.Version };
        await SendAsync(call, await methods.InvokeAsync("ModelMetadata", request, call).ConfigureAwait(false))
            .ConfigureAwait(false);
    }

    public async ValueTask ConfigAsync(RestCall call)
    {
        var request = new ModelConfigRequest { Name = call.Model, Version = call.Version };
        var response = await methods.InvokeAsync("ModelConfig", request, call).ConfigureAwait(false);
        await SendAsync(call, ((ModelConfigResponse)response).Config).ConfigureAwait(false);
    }

    public async ValueTask StatisticsAsync(RestCall call)
    {
        var request = new ModelStatisticsRequest { Name = call.Model, Version = call.Version };
        await SendAsync(call, await methods.InvokeAsync("ModelStatistics", request, call).ConfigureAwait(false))
            .ConfigureAwait(false);
    }

    private static ValueTask SendAsync(RestCall call, IMessage message)
    {
        using (var writer = new Utf8JsonWriter(call.Output, MessageJsonWriter.Options))
            MessageJsonWriter.Write(writer, message, omitEmpty: "properties");
        return call.SendPlainJsonAsync();
    }
}
