using Sluice.Control.Store;
using Sluice.Inference;
using Sluice.Protocol.Control.V1;
using Sluice.Rpc.Calls;
using DesiredState = Sluice.Control.Records.DesiredState;

namespace Sluice.Control.Api;

/// <summary>Serves <c>sluice.control.v1.Artifacts</c>.</summary>
internal sealed class ArtifactsApi(ControlEdits edits, ArtifactUploads uploads)
{
    private const string Name = "sluice.control.v1.Artifacts";

    public IEnumerable<RpcMethod> Methods =>
    [
        new CallerUnaryMethod<ListArtifactsRequest, ListArtifactsResponse>(
            Name, "ListArtifacts", ListArtifactsRequest.Parser, ListAsync),
        new CallerUploadMethod<UploadArtifactRequest, Artifact>(Name, "UploadArtifact", UploadArtifactRequest.Parser, UploadAsync),
        new CallerStreamingMethod<DownloadArtifactRequest, Chunk>(
            Name, "DownloadArtifact", DownloadArtifactRequest.Parser, DownloadAsync),
        new CallerUnaryMethod<DeleteArtifactRequest, EditResponse>(Name, "DeleteArtifact", DeleteArtifactRequest.Parser, DeleteAsync),
    ];

    private async ValueTask<ListArtifactsResponse> ListAsync(ListArtifactsRequest request, CallContext context)
    {
        var state = await edits.ReadAsync(request.ServiceId, context.CancellationToken).ConfigureAwait(false);
        return new ListArtifactsResponse { Artifacts = { state.Artifacts.Values.Select(StateMessages.ToMessage) } };
    }

    private async ValueTask<Artifact> UploadAsync(IAsyncEnumerable<UploadArtifactRequest> parts, CallContext context)
    {
        ArtifactHeader? header = null;
        using var spool = new SpoolFile(uploads.Storage.Options);
        await foreach (var part in parts.ConfigureAwait(false))
        {
            if (part.PartCase == UploadArtifactRequest.PartOneofCase.Header)
                header = header is null ? part.Header : throw InferenceException.Invalid("an upload has one header, as its first message");
            else if (header is null)
                throw InferenceException.Invalid("an upload begins with its header");
            else
                await spool.WriteAsync(part.Data.Memory, context.CancellationToken).ConfigureAwait(false);
        }

        return await uploads.StoreAsync(header ?? throw InferenceException.Invalid("the upload has no header"), spool, context)
            .ConfigureAwait(false);
    }

    private async ValueTask DownloadAsync(DownloadArtifactRequest request, Func<Chunk, ValueTask> send, CallContext context)
    {
        var state = await edits.ReadAsync(request.ServiceId, context.CancellationToken).ConfigureAwait(false);
        if (!state.TryGetArtifact(request.Name, out var artifact))
            throw ControlEdits.NoRecord(state, RecordKinds.Artifact, request.Name, state.Artifacts.Keys);
        var content = await uploads.Storage.OpenReadAsync(artifact.Uri, 0, context.CancellationToken).ConfigureAwait(false);
        await using (content.ConfigureAwait(false))
            await Chunks.SendAsync(content, artifact.SizeBytes, send, context.CancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<EditResponse> DeleteAsync(DeleteArtifactRequest request, CallContext context)
    {
        var target = new EditTarget(request.ServiceId, "artifact.delete", request.Name);
        return await edits.EditAsync(target, Edit, context).ConfigureAwait(false);

        DesiredState Edit(DesiredState state, EditResponse response)
        {
            var users = state.Endpoints.Where(pair => pair.Value.PreprocessArtifact == request.Name).Select(pair => pair.Key).Concat(
                state.Monitors.Where(pair => pair.Value.PreprocessArtifact == request.Name ||
                    pair.Value.VersionPreprocessArtifacts.Values.Contains(request.Name)).Select(pair => pair.Key)).ToList();
            if (users.Count > 0)
                throw new InferenceException(
                    InferenceCode.FailedPrecondition,
                    $"artifact '{request.Name}' is used by {string.Join(", ", users)}; remove them or give them other code first");
            return ControlEdits.Remove(
                state, RecordKinds.Artifact, request.Name, state.Artifacts, artifacts => state with { Artifacts = artifacts });
        }
    }
}
