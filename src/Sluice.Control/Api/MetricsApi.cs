using Sluice.Control.Records;
using Sluice.Control.Store;
using Sluice.Inference;
using Sluice.Protocol.Control.V1;
using Sluice.Rpc.Calls;
using DesiredState = Sluice.Control.Records.DesiredState;

namespace Sluice.Control.Api;

/// <summary>Serves <c>sluice.control.v1.Metrics</c>.</summary>
internal sealed class MetricsApi(ControlEdits edits)
{
    private const string Name = "sluice.control.v1.Metrics";

    private readonly RecordEdits<MetricSpec> _records = new(
        edits, RecordKinds.Metric, state => state.Metrics, (state, metrics) => state with { Metrics = metrics });

    public IEnumerable<RpcMethod> Methods =>
    [
        CallerMethod.Unary(Name, "ListMetricLoggings", ListMetricLoggingsRequest.Parser, ListAsync),
        CallerMethod.Unary(Name, "GetMetricLogging", GetMetricLoggingRequest.Parser, GetAsync),
        CallerMethod.Unary(Name, "PutMetricLogging", PutMetricLoggingRequest.Parser, PutAsync),
        CallerMethod.Unary(Name, "DeleteMetricLogging", DeleteMetricLoggingRequest.Parser, DeleteAsync),
    ];

    private async ValueTask<ListMetricLoggingsResponse> ListAsync(ListMetricLoggingsRequest request, CallContext context)
    {
        var state = await edits.ReadAsync(request.ServiceId, context.CancellationToken).ConfigureAwait(false);
        return new ListMetricLoggingsResponse { Metrics = { state.Metrics.Values.Select(RecordMessages.ToMessage) }, Revision = state.Revision };
    }

    private async ValueTask<MetricLogging> GetAsync(GetMetricLoggingRequest request, CallContext context) =>
        (await _records.GetAsync(request.ServiceId, request.Key, context).ConfigureAwait(false)).ToMessage();

    private ValueTask<EditResponse> PutAsync(PutMetricLoggingRequest request, CallContext context)
    {
        var spec = (request.Metric ?? throw InferenceException.Invalid("the request has no metric")).ToSpec();
        return _records.PutAsync(
            request.ServiceId, spec.Endpoint, request.HasExpectedRevision ? request.ExpectedRevision : null, request.ValidateOnly, Make, context);

        MetricSpec Make(DesiredState state, EditResponse response)
        {
            var merged = spec;
            if (state.Metrics.TryGetValue(spec.Endpoint, out var before))
            {
                response.Replaced = true;
                response.Warnings.Add($"metrics of '{spec.Endpoint}' were there before and are updated");
                if (!request.Replaces)
                    merged = spec with { Metrics = new(before.Metrics.Concat(spec.Metrics)) };
            }

            return RecordRules.Check(merged, state, response.Warnings);
        }
    }

    private ValueTask<EditResponse> DeleteAsync(DeleteMetricLoggingRequest request, CallContext context)
    {
        return _records.DeleteAsync(
            request.ServiceId, request.Key, request.HasExpectedRevision ? request.ExpectedRevision : null, context,
            request.Variables.Count == 0 ? null : Edit);

        DesiredState Edit(DesiredState state, EditResponse response, string key)
        {
            var spec = _records.Find(state, key);
            foreach (var variable in request.Variables)
            {
                if (!spec.Metrics.ContainsKey(variable))
                    throw new InferenceException(
                        InferenceCode.NotFound,
                        $"metrics of '{key}' have no variable '{variable}'; they have: {string.Join(", ", spec.Metrics.Keys)}");
                spec = spec with { Metrics = spec.Metrics.Without(variable) };
            }

            return state with { Metrics = state.Metrics.With(key, spec) };
        }
    }
}
