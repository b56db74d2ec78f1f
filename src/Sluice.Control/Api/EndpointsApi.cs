using Sluice.Control.Records;
using Sluice.Control.Store;
using Sluice.Inference;
using Sluice.Protocol.Control.V1;
using Sluice.Rpc.Calls;
using DesiredState = Sluice.Control.Records.DesiredState;

namespace Sluice.Control.Api;

/// <summary>Serves <c>sluice.control.v1.Endpoints</c>.</summary>
internal sealed class EndpointsApi(ControlEdits edits)
{
    private const string Name = "sluice.control.v1.Endpoints";

    // Others' words come through the store; how long after a change they may be seen.
    private static readonly TimeSpan StatusPeriod = TimeSpan.FromMilliseconds(500);

    public IEnumerable<RpcMethod> Methods =>
    [
        CallerMethod.Unary(Name, "ListEndpoints", ListEndpointsRequest.Parser, ListAsync),
        CallerMethod.Unary(Name, "GetEndpoint", GetEndpointRequest.Parser, GetAsync),
        CallerMethod.Unary(Name, "PutEndpoint", PutEndpointRequest.Parser, PutAsync),
        CallerMethod.Unary(Name, "DeleteEndpoint", DeleteEndpointRequest.Parser, DeleteAsync),
        CallerMethod.Unary(Name, "ListEndpointStatus", ListEndpointStatusRequest.Parser, ListStatusAsync),
        new CallerStreamingMethod<ListEndpointStatusRequest, ListEndpointStatusResponse>(
            Name, "WatchEndpointStatus", ListEndpointStatusRequest.Parser, WatchStatusAsync),
    ];

    private async ValueTask<ListEndpointsResponse> ListAsync(ListEndpointsRequest request, CallContext context)
    {
        var state = await edits.ReadAsync(request.ServiceId, context.CancellationToken).ConfigureAwait(false);
        return new ListEndpointsResponse { Endpoints = { state.Endpoints.Values.Select(RecordMessages.ToMessage) }, Revision = state.Revision };
    }

    private async ValueTask<Endpoint> GetAsync(GetEndpointRequest request, CallContext context)
    {
        var state = await edits.ReadAsync(request.ServiceId, context.CancellationToken).ConfigureAwait(false);
        var key = request.Key.Trim('/');
        return state.Endpoints.TryGetValue(key, out var spec)
            ? spec.ToMessage()
            : throw ControlEdits.NoRecord(state, RecordKinds.Endpoint, key, state.Endpoints.Keys);
    }

    private async ValueTask<EditResponse> PutAsync(PutEndpointRequest request, CallContext context)
    {
        var spec = (request.Endpoint ?? throw InferenceException.Invalid("the request has no endpoint")).ToSpec();
        var model = spec.ModelId is null ? null : await CheckModelAsync(edits.Plane, spec.ModelId, context).ConfigureAwait(false);
        var target = new EditTarget(request.ServiceId, "endpoint.put", spec.Key)
        {
            ExpectedRevision = request.HasExpectedRevision ? request.ExpectedRevision : null,
            ValidateOnly = request.ValidateOnly,
        };
        return await edits.EditAsync(target, Edit, context).ConfigureAwait(false);

        DesiredState Edit(DesiredState state, EditResponse response)
        {
            var checkedSpec = RecordRules.Check(spec, state, response.Warnings);
            if (model is { IsArchived: true })
                response.Warnings.Add($"model '{model.Id}' is archived");
            if (state.Endpoints.ContainsKey(spec.Key))
                ControlEdits.NoteReplaced(response, RecordKinds.Endpoint, spec.Key);
            return state with
            {
                Endpoints = state.Endpoints.With(spec.Key, checkedSpec),
                Unreadable = state.Unreadable.Without($"{RecordKinds.Endpoint}:{spec.Key}"),
            };
        }
    }

    private async ValueTask<EditResponse> DeleteAsync(DeleteEndpointRequest request, CallContext context)
    {
        var key = request.Key.Trim('/');
        var target = new EditTarget(request.ServiceId, "endpoint.delete", key)
        {
            ExpectedRevision = request.HasExpectedRevision ? request.ExpectedRevision : null,
        };
        return await edits.EditAsync(target, Edit, context).ConfigureAwait(false);

        DesiredState Edit(DesiredState state, EditResponse response)
        {
            foreach (var canary in state.Canaries.Values.Where(canary => canary.LoadEndpoints.Contains(key)))
                response.Warnings.Add($"canary '{canary.Endpoint}' names '{key}'; its share goes to the others");
            return ControlEdits.Remove(
                state, RecordKinds.Endpoint, key, state.Endpoints, endpoints => state with { Endpoints = endpoints });
        }
    }

    private async ValueTask<ListEndpointStatusResponse> ListStatusAsync(ListEndpointStatusRequest request, CallContext context)
    {
        var state = await edits.ReadAsync(request.ServiceId, context.CancellationToken).ConfigureAwait(false);
        return await ReadStatusAsync(state.Service.Id, request.Endpoint.Trim('/'), context.CancellationToken).ConfigureAwait(false);
    }

    private async ValueTask WatchStatusAsync(
        ListEndpointStatusRequest request, Func<ListEndpointStatusResponse, ValueTask> send, CallContext context)
    {
        var state = await edits.ReadAsync(request.ServiceId, context.CancellationToken).ConfigureAwait(false);
        ListEndpointStatusResponse? last = null;
        using var timer = new PeriodicTimer(StatusPeriod, edits.Plane.Time);
        do
        {
            var now = await ReadStatusAsync(state.Service.Id, request.Endpoint.Trim('/'), context.CancellationToken)
                .ConfigureAwait(false);
            if (now.Equals(last))
                continue;
            await send(now).ConfigureAwait(false);
            last = now;
        }
        while (await timer.WaitForNextTickAsync(context.CancellationToken).ConfigureAwait(false));
    }

    private async Task<ListEndpointStatusResponse> ReadStatusAsync(string serviceId, string endpoint, CancellationToken cancellationToken)
    {
        var statuses = await edits.Plane.Statuses.ListAsync(serviceId, cancellationToken).ConfigureAwait(false);
        return new ListEndpointStatusResponse
        {
            Statuses =
            {
                statuses.Where(status => endpoint.Length == 0 || status.Endpoint == endpoint).Select(StateMessages.ToMessage),
            },
        };
    }

    /// <summary>Refuses a model that the registry does not have.</summary>
    internal static async Task<ModelRecord> CheckModelAsync(ControlPlane plane, string modelId, CallContext context) =>
        await plane.Models.FindAsync(modelId, context.CancellationToken).ConfigureAwait(false) ??
        throw InferenceException.Invalid(
            $"there is no model with id '{modelId}' in the registry; upload or register it first, or select one by name, project or tags");
}
