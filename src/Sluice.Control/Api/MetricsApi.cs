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

    private async ValueTask<MetricLogging> GetAsync(GetMetricLoggingRequest request, CallContext context)
    {
        var state = await edits.ReadAsync(request.ServiceId, context.CancellationToken).ConfigureAwait(false);
        var key = request.Key.Trim('/');
        return state.Metrics.TryGetValue(key, out var spec)
            ? spec.ToMessage()
            : throw ControlEdits.NoRecord(state, RecordKinds.Metric, key, state.Metrics.Keys);
    }

    private async ValueTask<EditResponse> PutAsync(PutMetricLoggingRequest request, CallContext context)
    {
        var spec = (request.Metric ?? throw InferenceException.Invalid("the request has no metric")).ToSpec();
        var target = new EditTarget(request.ServiceId, "metric.put", spec.Endpoint)
        {
            ExpectedRevision = request.HasExpectedRevision ? request.ExpectedRevision : null,
            ValidateOnly = request.ValidateOnly,
        };
        return await edits.EditAsync(target, Edit, context).ConfigureAwait(false);

        DesiredState Edit(DesiredState state, EditResponse response)
        {
            var merged = spec;
            if (state.Metrics.TryGetValue(spec.Endpoint, out var before))
            {
                response.Replaced = true;
                response.Warnings.Add($"metrics of '{spec.Endpoint}' were there before and are updated");
                if (!request.Replaces)
                    merged = spec with { Metrics = new(before.Metrics.Concat(spec.Metrics)) };
            }

            var checkedSpec = RecordRules.Check(merged, state, response.Warnings);
            return state with
            {
                Metrics = state.Metrics.With(spec.Endpoint, checkedSpec),
                Unreadable = state.Unreadable.Without($"{RecordKinds.Metric}:{spec.Endpoint}"),
            };
        }
    }

    private async ValueTask<EditResponse> DeleteAsync(DeleteMetricLoggingRequest request, CallContext context)
    {
        var key = request.Key.Trim('/');
        var target = new EditTarget(request.ServiceId, "metric.delete", key)
        {
            ExpectedRevision = request.HasExpectedRevision ? request.ExpectedRevision : null,
        };
        return await edits.EditAsync(target, Edit, context).ConfigureAwait(false);

        DesiredState Edit(DesiredState state, EditResponse response)
        {
            if (request.Variables.Count == 0)
                return ControlEdits.Remove(state, RecordKinds.Metric, key, state.Metrics, records => state with { Metrics = records });
            if (!state.Metrics.TryGetValue(key, out var spec))
                throw ControlEdits.NoRecord(state, RecordKinds.Metric, key, state.Metrics.Keys);
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
