using Sluice.Inference;
using Sluice.Models;
using Sluice.Protocol.Inference;
using Sluice.Rpc.Calls;
using ParameterType = Sluice.Protocol.Inference.ModelRepositoryParameter.ParameterChoiceOneofCase;

namespace Sluice.Server.Services;

/// <summary>Serves the repository's index and, in explicit mode, loading and unloading (spec §1.8).</summary>
public sealed class RepositoryService(ModelLifecycle lifecycle)
{
    private const string FilePrefix = "file:";

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
        var name = NameOf(request.RepositoryName, request.ModelName);
        string? config = null;
        var files = new Dictionary<string, ReadOnlyMemory<byte>>(StringComparer.Ordinal);
        foreach (var (key, value) in request.Parameters)
        {
            if (key == "config")
            {
                CheckType(key, value, ParameterType.StringParam, "string_param");
                config = value.StringParam;
            }
            else if (key.StartsWith(FilePrefix, StringComparison.Ordinal))
            {
                CheckType(key, value, ParameterType.BytesParam, "bytes_param");
                files[key[FilePrefix.Length..]] = value.BytesParam.Memory;
            }
            else
            {
                throw InferenceException.Invalid($"unrecognized load parameter '{key}'.");
            }
        }

        await lifecycle.LoadAsync(name, config, files, cancellationToken).ConfigureAwait(false);
        return new RepositoryModelLoadResponse();
    }

    private async ValueTask<RepositoryModelUnloadResponse> UnloadAsync(
        RepositoryModelUnloadRequest request, CancellationToken cancellationToken)
    {
        var name = NameOf(request.RepositoryName, request.ModelName);
        if (request.Parameters.TryGetValue("unload_dependents", out var value) &&
            value.ParameterChoiceCase != ParameterType.BoolParam)
            throw InferenceException.Invalid("invalid value type for 'unload_dependents' parameter, expected bool_param.");
        await lifecycle.UnloadAsync(name, value?.BoolParam == true, cancellationToken).ConfigureAwait(false);
        return new RepositoryModelUnloadResponse();
    }

    /// <summary>KServe's own contract has the model's name where this one has the repository's (spec §1.1).</summary>
    private static string NameOf(string repository, string model)
    {
        if (repository.Length > 0 && model.Length == 0)
            return repository;
        RefuseRepositoryName(repository);
        return model;
    }

    private static void CheckType(string key, ModelRepositoryParameter value, ParameterType type, string name)
    {
        if (value.ParameterChoiceCase != type)
            throw InferenceException.Invalid($"invalid value type for load parameter '{key}', expected {name}.");
    }

    private static void RefuseRepositoryName(string name)
    {
        if (name.Length > 0)
            throw new InferenceException(InferenceCode.Unimplemented, "'repository_name' specification is not supported");
    }
}
