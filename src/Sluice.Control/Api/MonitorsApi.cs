using Sluice.Control.AutoUpdate;
using Sluice.Control.Records;
using Sluice.Control.Store;
using Sluice.Inference;
using Sluice.Protocol.Control.V1;
using Sluice.Rpc.Calls;
using DesiredState = Sluice.Control.Records.DesiredState;
using Monitor = Sluice.Protocol.Control.V1.Monitor;

namespace Sluice.Control.Api;

/// <summary>Serves <c>sluice.control.v1.AutoUpdates</c>.</summary>
internal sealed class MonitorsApi(ControlEdits edits)
{
    private const string Name = "sluice.control.v1.AutoUpdates";

    private readonly RecordEdits<MonitorSpec> _records = new(
        edits, RecordKinds.Monitor, state => state.Monitors, (state, monitors) => state with { Monitors = monitors });

    public IEnumerable<RpcMethod> Methods =>
    [
        CallerMethod.Unary(Name, "ListMonitors", ListMonitorsRequest.Parser, ListAsync),
        CallerMethod.Unary(Name, "GetMonitor", GetMonitorRequest.Parser, GetAsync),
        CallerMethod.Unary(Name, "PutMonitor", PutMonitorRequest.Parser, PutAsync),
        CallerMethod.Unary(Name, "DeleteMonitor", DeleteMonitorRequest.Parser, DeleteAsync),
    ];

    private async ValueTask<ListMonitorsResponse> ListAsync(ListMonitorsRequest request, CallContext context)
    {
        var state = await edits.ReadAsync(request.ServiceId, context.CancellationToken).ConfigureAwait(false);
        return new ListMonitorsResponse { Monitors = { state.Monitors.Values.Select(RecordMessages.ToMessage) }, Revision = state.Revision };
    }

    private async ValueTask<Monitor> GetAsync(GetMonitorRequest request, CallContext context) =>
        (await _records.GetAsync(request.ServiceId, request.Key, context).ConfigureAwait(false)).ToMessage();

    private ValueTask<EditResponse> PutAsync(PutMonitorRequest request, CallContext context)
    {
        var spec = (request.Monitor ?? throw InferenceException.Invalid("the request has no monitor")).ToSpec();
        return _records.PutAsync(
            request.ServiceId, spec.BaseServingUrl, request.HasExpectedRevision ? request.ExpectedRevision : null, request.ValidateOnly,
            (state, response) => RecordRules.Check(spec, state, response.Warnings), context);
    }

    private ValueTask<EditResponse> DeleteAsync(DeleteMonitorRequest request, CallContext context)
    {
        return _records.DeleteAsync(request.ServiceId, request.Key, request.HasExpectedRevision ? request.ExpectedRevision : null, context, Edit);

        DesiredState Edit(DesiredState state, EditResponse response, string key)
        {
            var after = VersionPolicy.Keep(_records.Remove(state, key));
            RecordRules.NoteLostArms(state, after, response.Warnings);
            return after;
        }
    }
}
