using Sluice.Control.AutoUpdate;
using Sluice.Control.Records;

namespace Sluice.Control.Reconciler;

/// <summary>Makes targets of a service's records.</summary>
/// <remarks>Pure. Of equal keys static endpoints count before those of monitors, as in the original.</remarks>
public static class EndpointTargets
{
    /// <summary>Lists all endpoints of a service by key.</summary>
    /// <param name="state">The records.</param>
    /// <param name="models">Finds a model that was looked up; null when the registry has none of that id.</param>
    /// <param name="options">Defaults of the environment.</param>
    public static IReadOnlyDictionary<string, EndpointTarget> List(
        DesiredState state, Func<string, ModelRecord?> models, ReconcilerOptions options)
    {
        var targets = new Dictionary<string, EndpointTarget>(StringComparer.Ordinal);
        foreach (var spec in state.Endpoints.Values.Concat(MonitoredEndpoints.List(state)))
        {
            if (!targets.ContainsKey(spec.Key))
                targets[spec.Key] = Create(spec, state, models, options);
        }

        return targets;
    }

    /// <summary>Lists the ids of models that a service's endpoints have.</summary>
    public static IEnumerable<string> ModelIds(DesiredState state) =>
        state.Endpoints.Values.Concat(MonitoredEndpoints.List(state)).Select(spec => spec.ModelId).OfType<string>().Distinct();

    private static EndpointTarget Create(
        EndpointSpec spec, DesiredState state, Func<string, ModelRecord?> models, ReconcilerOptions options)
    {
        var target = new EndpointTarget(spec) { ServiceId = state.Service.Id };
        if (spec.ModelId is { Length: > 0 } id)
        {
            if (models(id) is not { } model)
                return target with { Fault = $"the registry has no model '{id}'" };
            target = target with { Model = model.Reference, Framework = model.Framework };
        }

        if (spec.PreprocessArtifact is { Length: > 0 } artifact)
        {
            if (!state.TryGetArtifact(artifact, out var code))
                return target with { Fault = $"the service has no artifact '{artifact}' with the endpoint's code" };
            target = target with { Code = code.Reference };
        }

        if (spec.EngineType != EngineNames.Triton)
            return target;
        var remote = FirstOf(spec.RemoteGrpcServer, state.Parameters.TritonGrpcServer, options.RemoteGrpcServer);
        if (remote is not null)
            return target with
            {
                RemoteServer = remote,
                CompressesRemote = state.Parameters.TritonGrpcCompression ?? options.CompressesRemote,
            };
        return target.Model is not null
            ? target
            : target with { Fault = "engine 'triton' needs a model: name one by --model-id, or a server that has it by --triton-grpc-server" };
    }

    private static string? FirstOf(params string?[] values) => values.FirstOrDefault(value => !string.IsNullOrEmpty(value));
}
