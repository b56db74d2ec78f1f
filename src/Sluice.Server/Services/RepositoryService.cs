using Sluice.Inference;
using Sluice.Models;
using Sluice.Protocol.Inference;
using Sluice.Rpc.Calls;

namespace Sluice.Server.Services;

/// <summary>Serves the repository's index and, in explicit mode, loading and unloading (spec §1.8).</summary>
public sealed class RepositoryService(ModelLifecycle lifecycle)
{
    /// <summary>The service's methods.</summary>
    public IEnumerable<RpcMethod> Methods =>
    [
        new UnaryMethod<RepositoryIndexRequest, RepositoryIndexResponse>(
            InferenceService.Name, "RepositoryIndex", RepositoryIndexRequest.Parser,
            (request, _) => ValueTask.FromResult(Index(request))),
        new UnaryMethod<RepositoryModelLoadRequest, RepositoryModelLoadResponse>(
            InferenceService.Name, "RepositoryModelLoad", RepositoryModelLoadRequest.Parser, LoadAsync),
        new UnaryMethod<RepositoryModelUnloadRequest, RepositoryModelUnloadResponse>(
            InferenceService.Name, "RepositoryModelUnload", RepositoryModelUnloadRequest.Parser, UnloadAsync),
    ];

    private RepositoryIndexResponse Index(RepositoryIndexRequest request)
    {
        RefuseRepositoryName(request.RepositoryName);
        var response = new RepositoryIndexResponse();
        response.Models.AddRange(lifecycle.Index(request.Ready).Select(entry =>
            new RepositoryIndexResponse.Types.ModelIndex
            {
                Name = entry.Name,
                Version = entry.Version,
                State = entry.State?.ToName() ?? "",
                Reason = entry.Reason,
            }));
        return response;
    }

    private async ValueTask<RepositoryModelLoadResponse> LoadAsync(
        RepositoryModelLoadRequest request, CancellationToken cancellationToken)
    {
        RefuseRepositoryName(request.RepositoryName);
        string? config = null;
        foreach (var (key, value) in request.Parameters)
        {
            if (key.StartsWith("file:", StringComparison.Ordinal))
                throw new InferenceException(
                    InferenceCode.Unimplemented, $"load parameter '{key}': file overrides are not supported yet");
            if (key != "config")
                throw InferenceException.Invalid($"unrecognized load parameter '{key}'.");
            if (value.ParameterChoiceCase != ModelRepositoryParameter.ParameterChoiceOneofCase.StringParam)
                throw InferenceException.Invalid($"invalid value type for load parameter '{key}', expected string_param.");
            config = value.StringParam;
        }

        await lifecycle.LoadAsync(request.ModelName, config, cancellationToken).ConfigureAwait(false);
        return new RepositoryModelLoadResponse();
    }

    private async ValueTask<RepositoryModelUnloadResponse> UnloadAsync(
        RepositoryModelUnloadRequest request, CancellationToken cancellationToken)
    {
        RefuseRepositoryName(request.RepositoryName);
        await lifecycle.UnloadAsync(request.ModelName, cancellationToken).ConfigureAwait(false);
        return new RepositoryModelUnloadResponse();
    }

    private static void RefuseRepositoryName(string name)
    {
        if (name.Length > 0)
            throw new InferenceException(InferenceCode.Unimplemented, "'repository_name' specification is not supported");
    }
}
