using Sluice.Control.Store;
using Sluice.Inference;
using Sluice.Protocol.Control.V1;
using Sluice.Rpc.Calls;
using DesiredState = Sluice.Control.Records.DesiredState;

namespace Sluice.Control.Api;

/// <summary>Serves <c>sluice.control.v1.Canaries</c>.</summary>
internal sealed class CanariesApi(ControlEdits edits)
{
    private const string Name = "sluice.control.v1.Canaries";

    public IEnumerable<RpcMethod> Methods =>
    [
        CallerMethod.Unary(Name, "ListCanaries", ListCanariesRequest.Parser, ListAsync),
        CallerMethod.Unary(Name, "GetCanary", GetCanaryRequest.Parser, GetAsync),
        CallerMethod.Unary(Name, "PutCanary", PutCanaryRequest.Parser, PutAsync),
        CallerMethod.Unary(Name, "DeleteCanary", DeleteCanaryRequest.Parser, DeleteAsync),
    ];

    private async ValueTask<ListCanariesResponse> ListAsync(ListCanariesRequest request, CallContext context)
    {
        var state = await edits.ReadAsync(request.ServiceId, context.CancellationToken).ConfigureAwait(false);
        return new ListCanariesResponse { Canaries = { state.Canaries.Values.Select(RecordMessages.ToMessage) }, Revision = state.Revision };
    }

    private async ValueTask<Canary> GetAsync(GetCanaryRequest request, CallContext context)
    {
        var state = await edits.ReadAsync(request.ServiceId, context.CancellationToken).ConfigureAwait(false);
        var key = request.Key.Trim('/');
        return state.Canaries.TryGetValue(key, out var spec)
            ? spec.ToMessage()
            : throw ControlEdits.NoRecord(state, RecordKinds.Canary, key, state.Canaries.Keys);
    }

    private async ValueTask<EditResponse> PutAsync(PutCanaryRequest request, CallContext context)
    {
        var spec = (request.Canary ?? throw InferenceException.Invalid("the request has no canary")).ToSpec();
        var target = new EditTarget(request.ServiceId, "canary.put", spec.Endpoint)
        {
            ExpectedRevision = request.HasExpectedRevision ? request.ExpectedRevision : null,
            ValidateOnly = request.ValidateOnly,
        };
        return await edits.EditAsync(target, Edit, context).ConfigureAwait(false);

        DesiredState Edit(DesiredState state, EditResponse response)
        {
            var checkedSpec = RecordRules.Check(spec, state, response.Warnings);
            if (state.Canaries.ContainsKey(spec.Endpoint))
                ControlEdits.NoteReplaced(response, RecordKinds.Canary, spec.Endpoint);
            return state with
            {
                Canaries = state.Canaries.With(spec.Endpoint, checkedSpec),
                Unreadable = state.Unreadable.Without($"{RecordKinds.Canary}:{spec.Endpoint}"),
            };
        }
    }

    private async ValueTask<EditResponse> DeleteAsync(DeleteCanaryRequest request, CallContext context)
    {
        var key = request.Key.Trim('/');
        var target = new EditTarget(request.ServiceId, "canary.delete", key)
        {
            ExpectedRevision = request.HasExpectedRevision ? request.ExpectedRevision : null,
        };
        return await edits.EditAsync(
            target,
            (state, _) => ControlEdits.Remove(state, RecordKinds.Canary, key, state.Canaries, records => state with { Canaries = records }),
            context).ConfigureAwait(false);
    }
}
