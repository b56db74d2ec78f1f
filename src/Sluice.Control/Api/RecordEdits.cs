using Sluice.Control.Records;
using Sluice.Protocol.Control.V1;
using Sluice.Rpc.Calls;
using DesiredState = Sluice.Control.Records.DesiredState;

namespace Sluice.Control.Api;

/// <summary>What the API does with each kind of a service's records: find one, put one, delete one.</summary>
/// <typeparam name="T">The record.</typeparam>
/// <param name="edits">Edits services.</param>
/// <param name="kind">One of <see cref="Store.RecordKinds"/>.</param>
/// <param name="read">Finds the records of the kind.</param>
/// <param name="write">Gives a service with other records of the kind.</param>
internal sealed class RecordEdits<T>(
    ControlEdits edits, string kind, Func<DesiredState, ValueMap<string, T>> read, Func<DesiredState, ValueMap<string, T>, DesiredState> write)
{
    /// <summary>Finds a record; fails with those that there are.</summary>
    public T Find(DesiredState state, string key) =>
        read(state).TryGetValue(key, out var record) ? record : throw ControlEdits.NoRecord(state, kind, key, read(state).Keys);

    /// <summary>Finds a record of a service.</summary>
    public async ValueTask<T> GetAsync(string serviceId, string key, CallContext context) =>
        Find(await edits.ReadAsync(serviceId, context.CancellationToken).ConfigureAwait(false), key.Trim('/'));

    /// <summary>Puts a record where there is none, or in the place of one.</summary>
    /// <param name="serviceId">The service.</param>
    /// <param name="key">The record's key.</param>
    /// <param name="expectedRevision">Of the service; null = any.</param>
    /// <param name="validateOnly">Only check.</param>
    /// <param name="make">Gives the record, checked; that it replaces one is noted unless this has done so.</param>
    /// <param name="context">Who edits.</param>
    public async ValueTask<EditResponse> PutAsync(
        string serviceId, string key, long? expectedRevision, bool validateOnly, Func<DesiredState, EditResponse, T> make, CallContext context)
    {
        var target = new EditTarget(serviceId, $"{kind}.put", key) { ExpectedRevision = expectedRevision, ValidateOnly = validateOnly };
        return await edits.EditAsync(target, Edit, context).ConfigureAwait(false);

        DesiredState Edit(DesiredState state, EditResponse response)
        {
            var record = make(state, response);
            if (!response.Replaced && read(state).ContainsKey(key))
                ControlEdits.NoteReplaced(response, kind, key);
            return write(state, read(state).With(key, record)) with { Unreadable = state.Unreadable.Without($"{kind}:{key}") };
        }
    }

    /// <summary>Deletes a record, also one that cannot be read.</summary>
    /// <param name="serviceId">The service.</param>
    /// <param name="key">The record's key; slashes at its ends are passed over.</param>
    /// <param name="expectedRevision">Of the service; null = any.</param>
    /// <param name="context">Who edits.</param>
    /// <param name="edit">What is done instead, given the key; null = the record goes.</param>
    public async ValueTask<EditResponse> DeleteAsync(
        string serviceId, string key, long? expectedRevision, CallContext context, Func<DesiredState, EditResponse, string, DesiredState>? edit = null)
    {
        var name = key.Trim('/');
        var target = new EditTarget(serviceId, $"{kind}.delete", name) { ExpectedRevision = expectedRevision };
        return await edits.EditAsync(
            target, (state, response) => edit is null ? Remove(state, name) : edit(state, response, name), context).ConfigureAwait(false);
    }

    /// <summary>Gives a service without a record.</summary>
    public DesiredState Remove(DesiredState state, string key) =>
        ControlEdits.Remove(state, kind, key, read(state), records => write(state, records));
}
