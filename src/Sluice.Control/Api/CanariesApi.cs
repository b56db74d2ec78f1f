using Sluice.Control.Records;
using Sluice.Control.Store;
using Sluice.Inference;
using Sluice.Protocol.Control.V1;
using Sluice.Rpc.Calls;

namespace Sluice.Control.Api;

/// <summary>Serves <c>sluice.control.v1.Canaries</c>.</summary>
internal sealed class CanariesApi(ControlEdits edits)
{
    private const string Name = "sluice.control.v1.Canaries";

    private readonly RecordEdits<CanarySpec> _records = new(
        edits, RecordKinds.Canary, state => state.Canaries, (state, canaries) => state with { Canaries = canaries });

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

    private async ValueTask<Canary> GetAsync(GetCanaryRequest request, CallContext context) =>
        (await _records.GetAsync(request.ServiceId, request.Key, context).ConfigureAwait(false)).ToMessage();

    private ValueTask<EditResponse> PutAsync(PutCanaryRequest request, CallContext context)
    {
        var spec = (request.Canary ?? throw InferenceException.Invalid("the request has no canary")).ToSpec();
        return _records.PutAsync(
            request.ServiceId, spec.Endpoint, request.HasExpectedRevision ? request.ExpectedRevision : null, request.ValidateOnly,
            (state, response) => RecordRules.Check(spec, state, response.Warnings), context);
    }

    private ValueTask<EditResponse> DeleteAsync(DeleteCanaryRequest request, CallContext context) => _records.DeleteAsync(
        request.ServiceId, request.Key, request.HasExpectedRevision ? request.ExpectedRevision : null, context);
}
