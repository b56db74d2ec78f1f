using Sluice.Control;
using Sluice.Control.Api;
using Sluice.Control.Artifacts;
using Sluice.Inference;
using Sluice.Protocol.Control.V1;
using Sluice.Rest.Calls;
using Sluice.Rest.Routing;
using Sluice.Rest.Transcoding;
using Sluice.Rpc.Calls;

namespace Sluice.Server.Composition;

/// <summary>Routes of the control API that carry files: bodies of any length, read and sent piece by piece.</summary>
internal sealed class ControlTransfers(ControlApi api, ControlPlane plane, ArtifactStorage storage)
{
    private const string ArtifactPath = "/v1/services/{service_id}/artifacts/{name=**}";
    private const string Binary = "application/octet-stream";

    public IEnumerable<RestRoute> Routes =>
    [
        Route("PUT", "/v1/models:upload", UploadModelAsync),
        Route("GET", "/v1/models/{model_id}/content", DownloadModelAsync),
        Route("PUT", ArtifactPath, UploadArtifactAsync),
        Route("GET", ArtifactPath, DownloadArtifactAsync),
    ];

    private static RestRoute Route(string method, string pattern, RestHandler handler) =>
        new(method, pattern, handler) { ErrorBody = ErrorBodies.Status };

    private static CallContext Context(RestCall call) => new(call.Caller(), call.CancellationToken);

    private static Stream Body(RestCall call) => call.Header("content-encoding") is null or "identity"
        ? call.OpenBody()
        : throw new InferenceException(InferenceCode.Unimplemented, "files are sent as they are, without Content-Encoding");

    private async ValueTask UploadModelAsync(RestCall call)
    {
        var header = new RegisterModelRequest();
        call.BindQuery(header);
        var model = await api.Models.UploadAsync(header, Body(call), Context(call)).ConfigureAwait(false);
        await plane.RefreshAsync(call.CancellationToken).ConfigureAwait(false);
        await call.SendMessageAsync(model).ConfigureAwait(false);
    }

    private async ValueTask DownloadModelAsync(RestCall call)
    {
        var id = call.Variable("model_id");
        var model = await plane.Models.FindAsync(id, call.CancellationToken).ConfigureAwait(false) ??
            throw new InferenceException(InferenceCode.NotFound, $"there is no model with id '{id}' in the registry");
        await SendAsync(call, model.Uri, model.SizeBytes).ConfigureAwait(false);
    }

    private async ValueTask UploadArtifactAsync(RestCall call)
    {
        var header = new ArtifactHeader { ServiceId = call.Variable("service_id"), Name = call.Variable("name") };
        call.BindQuery(header);
        var artifact = await api.Artifacts.UploadAsync(header, Body(call), Context(call)).ConfigureAwait(false);
        await call.SendMessageAsync(artifact).ConfigureAwait(false);
    }

    private async ValueTask DownloadArtifactAsync(RestCall call)
    {
        var (service, name) = (call.Variable("service_id"), call.Variable("name"));
        var snapshot = plane.Snapshot;
        var state = service == "-" ? snapshot.Served : snapshot.Services.GetValueOrDefault(service);
        if (state is null || !state.TryGetArtifact(name, out var artifact))
            throw new InferenceException(InferenceCode.NotFound, $"service '{service}' has no artifact '{name}'");
        await SendAsync(call, artifact.Uri, artifact.SizeBytes).ConfigureAwait(false);
    }

    private async ValueTask SendAsync(RestCall call, string uri, long sizeBytes)
    {
        var content = await storage.OpenReadAsync(uri, 0, call.CancellationToken).ConfigureAwait(false);
        await using (content.ConfigureAwait(false))
            await call.SendStreamAsync(Binary, content, sizeBytes > 0 ? sizeBytes : -1).ConfigureAwait(false);
    }
}
