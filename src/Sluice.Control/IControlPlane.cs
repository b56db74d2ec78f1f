using Sluice.Control.Records;

namespace Sluice.Control;

/// <summary>Who edits, and what the audit log calls it.</summary>
/// <param name="Actor">The caller, or the part of the server that edits by itself.</param>
/// <param name="Action">Such as <c>endpoint.put</c>.</param>
/// <param name="Target">Key of the record.</param>
public sealed record EditNote(string Actor, string Action, string Target);

/// <summary>The desired state of all services: read without a lock, edited by transactions, told of when it changes.</summary>
/// <remarks><b>Threads.</b> Any number of callers.</remarks>
public interface IControlPlane
{
    /// <summary>What is known now; a volatile read.</summary>
    ControlSnapshot Snapshot { get; }

    /// <summary>Waits until <see cref="ControlSnapshot.Sequence"/> is past a number; at once when it is already.</summary>
    Task<ControlSnapshot> WaitForChangeAsync(long sequence, CancellationToken cancellationToken);

    /// <summary>Edits a service's records in one transaction; the snapshot has the edit when this completes.</summary>
    /// <param name="serviceId">The service.</param>
    /// <param name="expectedRevision">Fails with <c>Aborted</c> unless the revision is this; null = any.</param>
    /// <param name="note">For the audit log.</param>
    /// <param name="edit">Gives the new records from the present ones, which are read in the same transaction; may run more than once.
    /// Returning its argument changes nothing. <see cref="DesiredState.Service"/> and
    /// <see cref="DesiredState.Revision"/> are not looked at.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <returns>The records after the edit.</returns>
    /// <exception cref="Inference.InferenceException"><c>NotFound</c>: no such service; <c>Aborted</c>: another revision;
    /// <c>Unavailable</c>: the store cannot be reached, nothing was changed; and what <paramref name="edit"/> throws.</exception>
    Task<DesiredState> EditAsync(
        string serviceId, long? expectedRevision, EditNote note, Func<DesiredState, DesiredState> edit,
        CancellationToken cancellationToken);

    /// <summary>Creates a service.</summary>
    /// <param name="name">Empty = <see cref="ServiceRecord.DefaultName"/>.</param>
    /// <param name="project">Empty = <see cref="ServiceRecord.DefaultProject"/>.</param>
    /// <param name="tags">For people.</param>
    /// <param name="actor">For the audit log.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="Inference.InferenceException"><c>Unavailable</c>: the store cannot be reached.</exception>
    Task<DesiredState> CreateServiceAsync(
        string name, string project, ValueList<string> tags, string actor, CancellationToken cancellationToken);
}
