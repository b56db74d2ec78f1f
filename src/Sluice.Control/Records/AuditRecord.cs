namespace Sluice.Control.Records;

/// <summary>One change that somebody made.</summary>
/// <param name="Id">Grows with time.</param>
/// <param name="At">When.</param>
/// <param name="Actor">Who.</param>
/// <param name="Action">What was done, such as <c>endpoint.put</c>.</param>
/// <param name="ServiceId">The service; empty for the registry.</param>
/// <param name="Target">Key of the record or id of the model.</param>
/// <param name="Revision">The revision that the edit made.</param>
/// <param name="BeforeJson">The record before; null = it was not there.</param>
/// <param name="AfterJson">The record after; null = it was removed.</param>
public sealed record AuditRecord(
    long Id, DateTimeOffset At, string Actor, string Action, string ServiceId, string Target, long Revision, string? BeforeJson,
    string? AfterJson);
