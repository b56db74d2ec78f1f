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

    private readonly RecordEdits<EndpointSpec> _records = new(
        edits, RecordKinds.Endpoint, state => state.Endpoints, (state, endpoints) => state with { Endpoints = endpoints });

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

    private async ValueTask<Endpoint> GetAsync(GetEndpointRequest request, CallContext context) =>
        (await _records.GetAsync(request.ServiceId, request.Key, context).ConfigureAwait(false)).ToMessage();

    private async ValueTask<EditResponse> PutAsync(PutEndpointRequest request, CallContext context)
    {
        var spec = (request.Endpoint ?? throw InferenceException.Invalid("the request has no endpoint")).ToSpec();
        var model = spec.ModelId is null ? null : await CheckModelAsync(edits.Plane, spec.ModelId, context).ConfigureAwait(false);
        return await _records.PutAsync(
            request.ServiceId, spec.Key, request.HasExpectedRevision ? request.ExpectedRevision : null, request.ValidateOnly, Make, context)
            .ConfigureAwait(false);

        EndpointSpec Make(DesiredState state, EditResponse response)
        {
            var checkedSpec = RecordRules.Check(spec, state, response.Warnings);
            if (model is { IsArchived: true })
                response.Warnings.Add($"model '{model.Id}' is archived");
            return checkedSpec;
        }
    }

    private ValueTask<EditResponse> DeleteAsync(DeleteEndpointRequest request, CallContext context)
    {
        return _records.DeleteAsync(request.ServiceId, request.Key, request.HasExpectedRevision ? request.ExpectedRevision : null, context, Edit);

        DesiredState Edit(DesiredState state, EditResponse response, string key)
        {
            var after = _records.Remove(state, key);
            RecordRules.NoteLostArms(state, after, response.Warnings);
            return after;
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
