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

    private async ValueTask<Monitor> GetAsync(GetMonitorRequest request, CallContext context)
    {
        var state = await edits.ReadAsync(request.ServiceId, context.CancellationToken).ConfigureAwait(false);
        var key = request.Key.Trim('/');
        return state.Monitors.TryGetValue(key, out var spec)
            ? spec.ToMessage()
            : throw ControlEdits.NoRecord(state, RecordKinds.Monitor, key, state.Monitors.Keys);
    }

    private async ValueTask<EditResponse> PutAsync(PutMonitorRequest request, CallContext context)
    {
        var spec = (request.Monitor ?? throw InferenceException.Invalid("the request has no monitor")).ToSpec();
        var target = new EditTarget(request.ServiceId, "monitor.put", spec.BaseServingUrl)
        {
            ExpectedRevision = request.HasExpectedRevision ? request.ExpectedRevision : null,
            ValidateOnly = request.ValidateOnly,
        };
        return await edits.EditAsync(target, Edit, context).ConfigureAwait(false);

        DesiredState Edit(DesiredState state, EditResponse response)
        {
            var checkedSpec = RecordRules.Check(spec, state, response.Warnings);
            if (state.Monitors.ContainsKey(spec.BaseServingUrl))
                ControlEdits.NoteReplaced(response, RecordKinds.Monitor, spec.BaseServingUrl);
            return state with
            {
                Monitors = state.Monitors.With(spec.BaseServingUrl, checkedSpec),
                Unreadable = state.Unreadable.Without($"{RecordKinds.Monitor}:{spec.BaseServingUrl}"),
            };
        }
    }

    private async ValueTask<EditResponse> DeleteAsync(DeleteMonitorRequest request, CallContext context)
    {
        var key = request.Key.Trim('/');
        var target = new EditTarget(request.ServiceId, "monitor.delete", key)
        {
            ExpectedRevision = request.HasExpectedRevision ? request.ExpectedRevision : null,
        };
        return await edits.EditAsync(
            target,
            (state, _) => ControlEdits.Remove(state, RecordKinds.Monitor, key, state.Monitors, records => state with { Monitors = records }),
            context).ConfigureAwait(false);
    }
}
