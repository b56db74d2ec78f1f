using System.Collections.Concurrent;
using Sluice.Control;
using Sluice.Control.AutoUpdate;
using Sluice.Control.Endpoints;
using Sluice.Control.Records;
using Sluice.History.Recording;
using Sluice.History.Reports;
using Sluice.Inference;
using Sluice.Models;

namespace Sluice.Server.Composition;

/// <summary>Lists what this replica serves: endpoints, canaries, and models that belong to no endpoint.</summary>
/// <remarks><b>Threads.</b> Any number; nothing waits.</remarks>
/// <param name="plane">The desired state and the registry.</param>
/// <param name="table">Endpoints and canaries as calls see them.</param>
/// <param name="models">All models.</param>
/// <param name="suffix">First part of endpoints' paths.</param>
internal sealed class ServedRows(ControlPlane plane, EndpointTable table, ModelLifecycle models, string suffix) : IServedRows
{
    private readonly ConcurrentDictionary<string, string> _modelNames = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public IReadOnlyList<ServedRow> List()
    {
        var snapshot = table.Snapshot;
        var services = plane.Snapshot.Services;
        var specs = services.Values.ToDictionary(
            state => state.Service.Id,
            state => MonitoredEndpoints.List(state).Concat(state.Endpoints.Values).GroupBy(spec => spec.Key, StringComparer.Ordinal)
                .ToDictionary(group => group.Key, group => group.Last(), StringComparer.Ordinal),
            StringComparer.Ordinal);
        return
        [
            .. snapshot.Endpoints.Values.Select(state => OfEndpoint(
                state, services.GetValueOrDefault(state.ServiceId), specs.GetValueOrDefault(state.ServiceId)?.GetValueOrDefault(state.Key))),
            .. snapshot.Canaries.Values.Where(canary => !snapshot.Endpoints.ContainsKey(canary.Spec.Endpoint))
                .Select(canary => OfCanary(canary, services.Values.FirstOrDefault(state => state.Canaries.ContainsKey(canary.Spec.Endpoint)))),
            .. models.Table.Models.Where(model => !models.IsManaged(model.Name)).Select(OfModel).OfType<ServedRow>(),
        ];
    }

    private ServedRow OfEndpoint(EndpointState state, DesiredState? service, EndpointSpec? spec)
    {
        var isStatic = service is null || service.Endpoints.ContainsKey(state.Key);
        return new ServedRow
        {
            Name = state.Key,
            Url = UrlOf(state.Key, service),
            Kind = isStatic ? RowKind.Static : RowKind.AutoUpdate,
            ServiceId = state.ServiceId,
            Engine = spec?.EngineType ?? "",
            ModelId = spec?.ModelId ?? "",
            ModelName = NameOf(spec?.ModelId),
            ModelVersion = spec is { Version.Length: > 0 } ? spec.Version : null,
            PreprocessArtifact = spec?.PreprocessArtifact,
            InputType = spec is { InputType.Count: > 0 } ? string.Join(", ", spec.InputType) : null,
            InputSize = spec is { InputSize.Count: > 0 } ? string.Join(", ", spec.InputSize.Select(size => $"[{string.Join(", ", size)}]")) : null,
            Phase = state.Loaded is null ? state.Phase : EndpointPhase.Ready,
            Reason = state.Phase == EndpointPhase.Failed ? state.Reason : "",
            Counters = [RequestCounter.Of(state.Statistics!)],
            Models = state.Loaded?.Model is { } model ? [model.Servable.Statistics] : [],
        };
    }

    private ServedRow OfCanary(Control.Canaries.CanaryState canary, DesiredState? service)
    {
        var name = canary.Spec.Endpoint;
        // A list may name an endpoint more than once.
        var shares = canary.Resolution.Arms.GroupBy(arm => arm.Key, StringComparer.Ordinal)
            .ToDictionary(arms => arms.Key, arms => arms.Sum(arm => arm.Share), StringComparer.Ordinal);
        var counters = table.ArmCounters.Where(counter => counter.Canary == name).ToDictionary(
            counter => counter.Endpoint,
            counter => new RequestCounter(counter, () => counter.Count - counter.FailureCount, () => counter.FailureCount, counter.Latency),
            StringComparer.Ordinal);
        return new ServedRow
        {
            Name = name,
            Url = UrlOf(name, service),
            Kind = RowKind.Canary,
            ServiceId = service?.Service.Id ?? "",
            Phase = shares.Count > 0 ? EndpointPhase.Ready : EndpointPhase.Failed,
            Reason = shares.Count > 0 ? "" : canary.Resolution.Detail,
            Counters = [.. counters.Values],
            Arms = [.. counters.Select(pair => new ServedArm(pair.Key, shares.GetValueOrDefault(pair.Key), pair.Value))],
        };
    }

    private static ServedRow? OfModel(ModelSnapshot model)
    {
        var servables = model.Versions.Select(version => version.Servable).OfType<IServable>().ToList();
        var reason = model.Fault.Length > 0 ? model.Fault : model.Versions.FirstOrDefault(version => version.Reason.Length > 0)?.Reason ?? "";
        var isLoading = model.Versions.Any(version => version.State == ModelState.Loading);

        // What was unloaded on purpose is neither served nor failing.
        if (servables.Count == 0 && !isLoading && reason is "" or ModelStates.Unloaded)
            return null;
        var settings = servables.FirstOrDefault()?.Settings;
        return new ServedRow
        {
            Name = model.Name,
            Url = "/v2/models/" + model.Name,
            Kind = RowKind.Model,
            Engine = settings?.Backend ?? "",
            ModelName = model.Name,
            ModelVersion = model.Latest?.Text,
            InputType = settings is null ? null : string.Join(", ", settings.Inputs.Select(input => input.DataType.ToString().ToUpperInvariant())),
            InputSize = settings is null ? null : string.Join(", ", settings.Inputs.Select(input => $"[{string.Join(", ", input.ClientDims)}]")),
            Phase = servables.Count > 0 ? EndpointPhase.Ready : isLoading ? EndpointPhase.Loading : EndpointPhase.Failed,
            Reason = reason == ModelStates.Unloaded ? "" : reason,
            Counters = [.. servables.Select(servable => RequestCounter.Of(servable.Statistics))],
            Models = [.. servables.Select(servable => servable.Statistics)],
        };
    }

    /// <summary>The address is the service's and not the machine's, so that replicas are one row.</summary>
    private string UrlOf(string key, DesiredState? service) =>
        service?.Parameters.ServingBaseUrl is { Length: > 0 } address ? $"{address.TrimEnd('/')}/{key}" : $"/{suffix}/{key}";

    /// <summary>The registry is asked beside; until it has answered the model has no name.</summary>
    private string NameOf(string? modelId)
    {
        if (string.IsNullOrEmpty(modelId))
            return "";
        if (_modelNames.TryGetValue(modelId, out var name))
            return name;
        if (_modelNames.TryAdd(modelId, ""))
            _ = FindNameAsync(modelId);
        return "";
    }

    private async Task FindNameAsync(string modelId)
    {
        try
        {
            var model = await plane.Models.FindAsync(modelId, CancellationToken.None).ConfigureAwait(false);
            if (model is not null)
                _modelNames[modelId] = model.Name;
            else
                _modelNames.TryRemove(modelId, out _);
        }
        catch (InferenceException)
        {
            _modelNames.TryRemove(modelId, out _);
        }
    }
}
