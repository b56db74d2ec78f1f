using Microsoft.Extensions.Logging;
using Sluice.Control.Records;
using Sluice.Control.Registry;
using Sluice.Inference;
using Sluice.Protocol.Control.V1;
using Sluice.Rpc.Calls;

namespace Sluice.Control.Api;

/// <summary>Serves <c>sluice.control.v1.ModelRegistry</c>.</summary>
internal sealed class ModelRegistryApi(ControlEdits edits, ModelUploads uploads, ILogger logger)
{
    private const string Name = "sluice.control.v1.ModelRegistry";
    private const int MostModels = 10_000;

    public IEnumerable<RpcMethod> Methods =>
    [
        CallerMethod.Unary(Name, "ListModels", ListModelsRequest.Parser, ListAsync),
        CallerMethod.Unary(Name, "GetModel", GetModelRequest.Parser, GetAsync),
        CallerMethod.Unary(Name, "RegisterModel", RegisterModelRequest.Parser, RegisterAsync),
        CallerMethod.Unary(Name, "UpdateModel", UpdateModelRequest.Parser, UpdateAsync),
        CallerMethod.Unary(Name, "PublishModel", PublishModelRequest.Parser, PublishAsync),
        CallerMethod.Unary(Name, "ArchiveModel", ArchiveModelRequest.Parser, ArchiveAsync),
        CallerMethod.Unary(Name, "DeleteModel", DeleteModelRequest.Parser, DeleteAsync),
        CallerMethod.Unary(Name, "ListProjects", ListProjectsRequest.Parser, ListProjectsAsync),
        new CallerUploadMethod<UploadModelRequest, Model>(Name, "UploadModel", UploadModelRequest.Parser, UploadAsync),
        new CallerStreamingMethod<DownloadModelRequest, Chunk>(Name, "DownloadModel", DownloadModelRequest.Parser, DownloadAsync),
    ];

    private ModelRegistry Registry => edits.Plane.Registry;

    private async ValueTask<ListModelsResponse> ListAsync(ListModelsRequest request, CallContext context)
    {
        var query = new ModelQuery
        {
            Project = request.Project.Length == 0 ? null : request.Project,
            Name = request.Name.Length == 0 ? null : request.Name,
            Tags = ValueList.From(request.Tags),
            OnlyPublished = request.OnlyPublished,
            IncludesArchived = request.IncludeArchived,
            Limit = request.PageSize <= 0 ? 500 : Math.Min(request.PageSize, MostModels),
            BeforeOrder = request.BeforeOrder,
        };
        var models = await Registry.QueryAsync(query, context.CancellationToken).ConfigureAwait(false);
        return new ListModelsResponse { Models = { models.Select(StateMessages.ToMessage) } };
    }

    private async ValueTask<Model> GetAsync(GetModelRequest request, CallContext context) =>
        (await FindAsync(request.ModelId, context).ConfigureAwait(false)).ToMessage();

    private async ValueTask<Model> RegisterAsync(RegisterModelRequest request, CallContext context)
    {
        var model = await uploads.RegisterAsync(request, context).ConfigureAwait(false);
        await FollowAsync(context).ConfigureAwait(false);
        return model;
    }

    private async ValueTask<Model> UploadAsync(IAsyncEnumerable<UploadModelRequest> parts, CallContext context)
    {
        ModelUpload? upload = null;
        try
        {
            await foreach (var part in parts.ConfigureAwait(false))
            {
                if (part.PartCase == UploadModelRequest.PartOneofCase.Header)
                {
                    if (upload is not null)
                        throw InferenceException.Invalid("an upload has one header, as its first message");
                    upload = await uploads.BeginAsync(part.Header, context).ConfigureAwait(false);
                }
                else
                {
                    await (upload ?? throw InferenceException.Invalid("an upload begins with its header")).File
                        .WriteAsync(part.Data.Memory, context.CancellationToken).ConfigureAwait(false);
                }
            }

            var model = await (upload ?? throw InferenceException.Invalid("the upload has no header")).CompleteAsync().ConfigureAwait(false);
            await FollowAsync(context).ConfigureAwait(false);
            return model;
        }
        finally
        {
            if (upload is not null)
                await upload.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async ValueTask DownloadAsync(DownloadModelRequest request, Func<Chunk, ValueTask> send, CallContext context)
    {
        var model = await FindAsync(request.ModelId, context).ConfigureAwait(false);
        var content = await uploads.Storage.OpenReadAsync(model.Uri, 0, context.CancellationToken).ConfigureAwait(false);
        await using (content.ConfigureAwait(false))
            await Chunks.SendAsync(content, model.SizeBytes, send, context.CancellationToken).ConfigureAwait(false);
    }

    private ValueTask<Model> UpdateAsync(UpdateModelRequest request, CallContext context)
    {
        var wrong = request.AddTags.Where(tag => !ModelUploads.IsTag(tag)).ToList();
        if (wrong.Count > 0)
            throw InferenceException.Invalid($"tag '{wrong[0]}' is empty or begins with - or __$, which queries use");
        var framework = request.HasFramework
            ? Frameworks.Normalize(request.Framework) ?? throw InferenceException.Invalid(
                $"framework '{request.Framework}' is not known; use one of: {string.Join(", ", Frameworks.All)}")
            : null;
        return ChangeAsync(request.ModelId, "model.update", context, model =>
        {
            var isOther = (request.HasName && request.Name != model.Name) || (framework is not null && framework != model.Framework);
            if (isOther && model.IsPublished)
                throw new InferenceException(
                    InferenceCode.FailedPrecondition,
                    $"model '{model.Id}' is published: its name and framework stay; enter another model instead");
            if (request is { HasName: true, Name.Length: 0 } or { HasProject: true, Project.Length: 0 })
                throw InferenceException.Invalid("a model's name and project cannot be empty");
            var labels = model.Labels;
            foreach (var (label, text) in request.Labels)
                labels = text.Length == 0 ? labels.Without(label) : labels.With(label, text);
            return model with
            {
                Name = request.HasName ? request.Name : model.Name,
                Project = request.HasProject ? request.Project : model.Project,
                Framework = framework ?? model.Framework,
                Tags = ValueList.From(
                    model.Tags.Except(request.RemoveTags).Concat(request.AddTags).Distinct(StringComparer.Ordinal)),
                Labels = labels,
                Comment = request.HasComment ? request.Comment : model.Comment,
            };
        });
    }

    private ValueTask<Model> PublishAsync(PublishModelRequest request, CallContext context) =>
        ChangeAsync(request.ModelId, "model.publish", context, model => model with { IsPublished = true });

    private ValueTask<Model> ArchiveAsync(ArchiveModelRequest request, CallContext context) => ChangeAsync(
        request.ModelId, request.Restore ? "model.restore" : "model.archive", context,
        model => model with { IsArchived = !request.Restore });

    private async ValueTask<DeleteModelResponse> DeleteAsync(DeleteModelRequest request, CallContext context)
    {
        var users = edits.Plane.Snapshot.Services.Values.SelectMany(
            state => state.Endpoints.Values.Where(endpoint => endpoint.ModelId == request.ModelId)
                .Select(endpoint => $"'{endpoint.Key}' of service {state.Service.Id}")
                .Concat(state.AssignedVersions.Where(version => version.IsLive && version.ModelId == request.ModelId)
                    .Select(version => $"'{version.BaseServingUrl}/{version.Version}' of service {state.Service.Id}"))).ToList();
        if (users.Count > 0 && !request.Force)
            throw new InferenceException(
                InferenceCode.FailedPrecondition,
                $"model '{request.ModelId}' is served by {string.Join(", ", users)}; remove them first, archive the model, or force it");
        var model = await Registry.DeleteAsync(request.ModelId, context.Actor, context.CancellationToken).ConfigureAwait(false);
        if (model.IsManaged)
        {
            try
            {
                await uploads.Storage.DeleteAsync(model.Uri, context.CancellationToken).ConfigureAwait(false);
            }
            catch (InferenceException error)
            {
                ControlLog.DeleteLeftFile(logger, model.Uri, error.Message);
            }
        }

        await FollowAsync(context).ConfigureAwait(false);
        return new DeleteModelResponse();
    }

    private async ValueTask<ListProjectsResponse> ListProjectsAsync(ListProjectsRequest request, CallContext context)
    {
        var projects = await Registry.ListProjectsAsync(context.CancellationToken).ConfigureAwait(false);
        return new ListProjectsResponse
        {
            Projects = { projects.Select(project => new Project { Name = project.Name, ModelCount = project.ModelCount }) },
        };
    }

    private async ValueTask<Model> ChangeAsync(
        string id, string action, CallContext context, Func<ModelRecord, ModelRecord> change)
    {
        var model = await Registry.UpdateAsync(id, new EditNote(context.Actor, action, id), change, context.CancellationToken)
            .ConfigureAwait(false);
        await FollowAsync(context).ConfigureAwait(false);
        return model.ToMessage();
    }

    private async Task<ModelRecord> FindAsync(string id, CallContext context) =>
        await Registry.FindAsync(id, context.CancellationToken).ConfigureAwait(false) ?? throw ModelRegistry.NotFound(id);

    /// <summary>Lets the snapshot have the registry's new revision at once; what waits for it need not wait for a poll.</summary>
    private Task FollowAsync(CallContext context) => edits.Plane.RefreshAsync(context.CancellationToken);
}
