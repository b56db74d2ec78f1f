using Sluice.Control.AutoUpdate;
using Sluice.Control.Records;
using Sluice.Control.Store;
using Sluice.Inference;
using Sluice.Protocol.Control.V1;
using Sluice.Rpc.Calls;
using DesiredState = Sluice.Control.Records.DesiredState;
using StateMessage = Sluice.Protocol.Control.V1.DesiredState;

namespace Sluice.Control.Api;

/// <summary>Makes a service's records those of one message, in one edit.</summary>
internal sealed class StateApplication(ControlEdits edits)
{
    public async ValueTask<ApplyDesiredStateResponse> ApplyAsync(ApplyDesiredStateRequest request, CallContext context)
    {
        var message = request.State ?? throw InferenceException.Invalid("the request has no state");
        var endpoints = ByKey(RecordKinds.Endpoint, message.Endpoints.Select(RecordMessages.ToSpec), spec => spec.Key);
        foreach (var model in endpoints.Values.Select(spec => spec.ModelId).OfType<string>().Distinct())
            await EndpointsApi.CheckModelAsync(edits.Plane, model, context).ConfigureAwait(false);
        var response = new ApplyDesiredStateResponse();
        var target = new EditTarget(request.ServiceId, "state.apply", "state")
        {
            ExpectedRevision = request.HasExpectedRevision ? request.ExpectedRevision : null,
            ValidateOnly = request.ValidateOnly,
        };
        var edit = await edits.EditAsync(
            target,
            (state, warned) =>
            {
                var after = Build(message, endpoints, state, warned.Warnings);
                response.Changes.Clear();
                response.Changes.AddRange(StateRecords.Differences(state, after).Select(ToMessage));
                return after;
            },
            context).ConfigureAwait(false);
        response.Revision = edit.Revision;
        response.Warnings.AddRange(edit.Warnings);
        return response;
    }

    private static DesiredState Build(
        StateMessage message, Dictionary<string, EndpointSpec> endpoints, DesiredState state, ICollection<string> warnings)
    {
        var monitors = ByKey(RecordKinds.Monitor, message.Monitors.Select(RecordMessages.ToSpec), spec => spec.BaseServingUrl);
        var canaries = ByKey(RecordKinds.Canary, message.Canaries.Select(RecordMessages.ToSpec), spec => spec.Endpoint);
        var metrics = ByKey(RecordKinds.Metric, message.Metrics.Select(RecordMessages.ToSpec), spec => spec.Endpoint);

        // Records are checked against those they come with, not against those they replace, nor against versions of monitors that go.
        var after = VersionPolicy.Keep(state with
        {
            Endpoints = new(endpoints),
            Monitors = new(monitors),
            Canaries = new(canaries),
            Metrics = new(metrics),
            Parameters = RecordRules.Check(new ServiceParametersSpec().With(message.Parameters)),
            Unreadable = ValueMap<string, string>.Empty,
        });
        return after with
        {
            Endpoints = Checked(after.Endpoints, spec => RecordRules.Check(spec, after, warnings)),
            Monitors = Checked(after.Monitors, spec => RecordRules.Check(spec, after, warnings)),
            Canaries = Checked(after.Canaries, spec => RecordRules.Check(spec, after, warnings)),
            Metrics = Checked(after.Metrics, spec => RecordRules.Check(spec, after, warnings, mayWait: true)),
        };
    }

    private static ValueMap<string, T> Checked<T>(ValueMap<string, T> records, Func<T, T> check) =>
        new(records.Select(pair => KeyValuePair.Create(pair.Key, check(pair.Value))));

    private static Dictionary<string, T> ByKey<T>(string kind, IEnumerable<T> specs, Func<T, string> key)
    {
        var records = new Dictionary<string, T>(StringComparer.Ordinal);
        foreach (var spec in specs)
        {
            if (!records.TryAdd(key(spec), spec))
                throw InferenceException.Invalid($"the state has {kind} '{key(spec)}' twice");
        }

        return records;
    }

    private static RecordChange ToMessage(RecordDifference difference) => new()
    {
        Kind = difference.Kind,
        Key = difference.Key,
        Before = ControlEdits.ToValue(difference.Before),
        After = ControlEdits.ToValue(difference.After),
    };
}
