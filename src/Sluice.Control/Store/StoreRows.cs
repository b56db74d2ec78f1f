using System.Text.Json;
using Sluice.Control.Records;

namespace Sluice.Control.Store;

/// <summary>Revisions of all that a store holds.</summary>
/// <param name="Services">Services with their revisions, oldest first.</param>
/// <param name="Registry">Revision of the model registry.</param>
internal sealed record StoreRevisions(IReadOnlyList<(string Id, long Revision)> Services, long Registry);

/// <summary>A row of a service.</summary>
internal sealed class ServiceRow
{
    public string Id { get; set; } = "";

    public string Name { get; set; } = "";

    public string Project { get; set; } = "";

    public string Tags { get; set; } = "[]";

    public long CreatedAt { get; set; }

    public string Version { get; set; } = "";

    public long IsStarted { get; set; }

    public long Revision { get; set; }

    public ServiceRecord ToRecord() => new(
        Id, Name, Project, ValueList.From(JsonSerializer.Deserialize<string[]>(Tags) ?? []), StoreTime.FromMicroseconds(CreatedAt),
        Version, IsStarted != 0);
}

/// <summary>A row of the audit log.</summary>
internal sealed class AuditRow
{
    public long Id { get; set; }

    public long At { get; set; }

    public string Actor { get; set; } = "";

    public string Action { get; set; } = "";

    public string ServiceId { get; set; } = "";

    public string Target { get; set; } = "";

    public long Revision { get; set; }

    public string? BeforeJson { get; set; }

    public string? AfterJson { get; set; }

    public AuditRecord ToRecord() => new(
        Id, StoreTime.FromMicroseconds(At), Actor, Action, ServiceId, Target, Revision, BeforeJson, AfterJson);
}
