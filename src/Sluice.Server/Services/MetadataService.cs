using Sluice.Inference;
using Sluice.Models;
using Sluice.Protocol.Inference;
using Sluice.Rpc.Calls;
using Sluice.Tensors;

namespace Sluice.Server.Services;

/// <summary>Serves what the server says of itself and of its models: live, ready, metadata, config, statistics.</summary>
public sealed class MetadataService(ModelTable models, ServerState state, ServerOptions options)
{
    private static readonly string[] Extensions =
    [
        "classification", "sequence", "model_repository", "model_repository(unload_dependents)", "schedule_policy",
        "model_configuration", "system_shared_memory", "cuda_shared_memory", "binary_tensor_data", "parameters", "statistics",
        "trace", "logging",
    ];

    /// <summary>The service's methods.</summary>
    public IEnumerable<RpcMethod> Methods =>
    [
        Method("ServerLive", ServerLiveRequest.Parser, _ => ServerLive()),
        Method("ServerReady", ServerReadyRequest.Parser, _ => new ServerReadyResponse { Ready = state.IsReady }),
        Method("ModelReady", ModelReadyRequest.Parser, ModelReady),
        Method("ServerMetadata", ServerMetadataRequest.Parser, _ => ServerMetadata()),
        Method("ModelMetadata", ModelMetadataRequest.Parser, ModelMetadata),
        Method("ModelConfig", ModelConfigRequest.Parser, ModelConfig),
        Method("ModelStatistics", ModelStatisticsRequest.Parser, Statistics),
    ];

    private static UnaryMethod<TRequest, TResponse> Method<TRequest, TResponse>(
        string name, Google.Protobuf.MessageParser<TRequest> parser, Func<TRequest, TResponse> answer)
        where TRequest : class, Google.Protobuf.IMessage<TRequest>, new()
        where TResponse : class, Google.Protobuf.IMessage<TResponse> =>
        new(InferenceService.Name, name, parser, (request, _) => ValueTask.FromResult(answer(request)));

    private ServerLiveResponse ServerLive() => state.IsStopping
        ? throw new InferenceException(InferenceCode.Unavailable, "Server exiting")
        : new ServerLiveResponse { Live = true };

    private ModelReadyResponse ModelReady(ModelReadyRequest request)
    {
        // Unknown models are not ready rather than an error: clients and tests of the original rely on it (spec §0, 4).
        var isReady = models.IsReady(Utf8(request.Name), Utf8(request.Version), out var fault);
        return fault.Code == InferenceCode.Ok ? new ModelReadyResponse { Ready = isReady } : throw fault.ToException();
    }

    private ServerMetadataResponse ServerMetadata()
    {
        var response = new ServerMetadataResponse { Name = options.Id, Version = ServerOptions.ProductVersion };
        response.Extensions.AddRange(Extensions);
        return response;
    }

    private ModelMetadataResponse ModelMetadata(ModelMetadataRequest request)
    {
        using var lease = models.Acquire(request.Name, request.Version);
        var settings = lease.Servable.Settings;
        var response = new ModelMetadataResponse
        {
            Name = settings.Name,
            Platform = settings.Platform.Length > 0 ? settings.Platform : settings.Backend,
        };
        if (request.Version.Length > 0)
            response.Versions.Add(settings.Version);
        else
            response.Versions.AddRange(ReadyVersions(settings.Name));
        response.Inputs.AddRange(settings.Inputs.Select(tensor => Describe(tensor, settings)));
        response.Outputs.AddRange(settings.Outputs.Select(tensor => Describe(tensor, settings)));
        return response;
    }

    private IEnumerable<string> ReadyVersions(string name) =>
        models.Find(name)!.Versions.Where(version => version.State == ModelState.Ready).Select(version => version.Text).Reverse();

    private static ModelMetadataResponse.Types.TensorMetadata Describe(TensorSettings tensor, ModelSettings settings)
    {
        var metadata = new ModelMetadataResponse.Types.TensorMetadata
        {
            Name = tensor.Name,
            Datatype = tensor.DataType.WireName(),
        };
        if (settings.MaxBatchSize > 0 && !tensor.IsShapeTensor)
            metadata.Shape.Add(-1);
        metadata.Shape.AddRange(tensor.ClientDims);
        return metadata;
    }

    private ModelConfigResponse ModelConfig(ModelConfigRequest request)
    {
        using var lease = models.Acquire(request.Name, request.Version);
        return new ModelConfigResponse { Config = lease.Config };
    }

    private ModelStatisticsResponse Statistics(ModelStatisticsRequest request)
    {
        models.IsReady(Utf8(request.Name), Utf8(request.Version), out var fault);
        if (fault.Code != InferenceCode.Ok)
            throw fault.ToException();
        var response = new ModelStatisticsResponse();
        var found = request.Name.Length == 0 ? models.Models : [FindForStatistics(request)];
        foreach (var model in found)
        {
            foreach (var version in model.Versions.Where(version => version.Servable is not null))
            {
                if (IsWanted(version, request.Version))
                    response.ModelStats.Add(StatisticsMessage.From(version.Servable!));
            }
        }

        return response;
    }

    private ModelSnapshot FindForStatistics(ModelStatisticsRequest request)
    {
        var model = models.Find(request.Name);
        if (model?.Latest is null)
            throw InferenceException.Invalid($"requested model '{request.Name}' is not available");
        if (request.Version.Length > 0 &&
            !model.Versions.Any(version => IsWanted(version, request.Version) && version.Servable is not null))
            throw InferenceException.Invalid($"requested model version is not available for model '{request.Name}'");
        return model;
    }

    // The text was found to be a number before; "01" is 1 as in every other call.
    private static bool IsWanted(VersionSnapshot version, string text) =>
        text.Length == 0 || version.Number == long.Parse(text, System.Globalization.CultureInfo.InvariantCulture);

    private static byte[] Utf8(string text) => System.Text.Encoding.UTF8.GetBytes(text);
}
