using Google.Protobuf.WellKnownTypes;
using Sluice.Control.Records;
using Sluice.Inference;
using Sluice.Protocol.Control.V1;
using Sluice.Rpc.Calls;
using DesiredState = Sluice.Control.Records.DesiredState;

namespace Sluice.Control.Api;

/// <summary>What the services of the API share: finding a service, editing it, removing a record.</summary>
internal sealed class ControlEdits(ControlPlane plane)
{
    /// <summary>Stands for the service that this server serves.</summary>
    public const string Served = "-";

    public ControlPlane Plane => plane;

    /// <summary>Finds a service's records.</summary>
    /// <param name="serviceId">Its id; "-" or empty = the served one.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public async Task<DesiredState> ReadAsync(string serviceId, CancellationToken cancellationToken)
    {
        if (Find(serviceId) is { } known)
            return known;
        if (!plane.Snapshot.IsStoreReachable)
            throw new InferenceException(
                InferenceCode.Unavailable, "the control plane's store cannot be reached, and the service is not known here yet; try again later");

        // Another replica may have created it a moment ago.
        await plane.RefreshAsync(cancellationToken).ConfigureAwait(false);
        return Find(serviceId) ?? throw NotFound(serviceId);
    }

    /// <summary>Edits a service.</summary>
    /// <param name="target">The service's id, what is expected of it, and what is edited.</param>
    /// <param name="edit">Gives the new records; may run more than once, and adds its warnings anew each time.</param>
    /// <param name="context">Who edits.</param>
    public async Task<EditResponse> EditAsync(
        EditTarget target, Func<DesiredState, EditResponse, DesiredState> edit, CallContext context)
    {
        var current = await ReadAsync(target.ServiceId, context.CancellationToken).ConfigureAwait(false);
        var response = new EditResponse();
        if (target.ValidateOnly)
        {
            edit(current, response);
            response.Revision = current.Revision;
            return response;
        }

        var after = await plane.EditAsync(
            current.Service.Id, target.ExpectedRevision, new EditNote(context.Actor, target.Action, target.Key),
            state =>
            {
                response = new EditResponse();
                return edit(state, response);
            },
            context.CancellationToken).ConfigureAwait(false);
        response.Revision = after.Revision;
        return response;
    }

    /// <summary>Removes one record, also one that cannot be read.</summary>
    public static DesiredState Remove<T>(
        DesiredState state, string kind, string key, ValueMap<string, T> records, Func<ValueMap<string, T>, DesiredState> with)
    {
        if (records.ContainsKey(key))
            return with(records.Without(key));
        var stored = $"{kind}:{key}";
        return state.Unreadable.ContainsKey(stored)
            ? state with { Unreadable = state.Unreadable.Without(stored) }
            : throw NoRecord(state, kind, key, records.Keys);
    }

    /// <summary>Says that there is no such record, and which there are.</summary>
    public static InferenceException NoRecord(DesiredState state, string kind, string key, IEnumerable<string> keys)
    {
        var known = string.Join(", ", keys.Take(10));
        return new InferenceException(
            InferenceCode.NotFound,
            $"service {state.Service.Id} has no {kind} '{key}'" + (known.Length > 0 ? $"; it has: {known}" : "; it has none"));
    }

    /// <summary>Lets a warning be of a record that was there before.</summary>
    public static void NoteReplaced(EditResponse response, string kind, string key)
    {
        response.Replaced = true;
        response.Warnings.Add($"{kind} '{key}' was there before and is replaced");
    }

    public static Value? ToValue(string? json) => RecordMessages.ParseValue(json);

    private DesiredState? Find(string serviceId)
    {
        var snapshot = plane.Snapshot;
        if (serviceId is Served or "")
            return snapshot.Served;
        return snapshot.Services.TryGetValue(serviceId, out var state) ? state : null;
    }

    private static InferenceException NotFound(string serviceId) => new(
        InferenceCode.NotFound,
        serviceId is Served or ""
            ? "there is no serving service yet; create one first ('sluice create')"
            : $"there is no serving service with id '{serviceId}'; 'list' shows those there are");
}

/// <summary>What an edit is of.</summary>
/// <param name="ServiceId">The service.</param>
/// <param name="Action">For the audit log.</param>
/// <param name="Key">Key of the record.</param>
internal sealed record EditTarget(string ServiceId, string Action, string Key)
{
    /// <summary>Null = any.</summary>
    public long? ExpectedRevision { get; init; }

    /// <summary>Only check.</summary>
    public bool ValidateOnly { get; init; }
}
