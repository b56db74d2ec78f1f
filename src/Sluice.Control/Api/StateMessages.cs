using Google.Protobuf.WellKnownTypes;
using Sluice.Control.Records;
using Wire = Sluice.Protocol.Control.V1;

namespace Sluice.Control.Api;

/// <summary>Services, states, models and what else is only shown, as messages.</summary>
internal static class StateMessages
{
    public static Wire.Service ToMessage(this ServiceRecord service, long revision, bool isServedHere) => new()
    {
        Id = service.Id,
        Name = service.Name,
        Project = service.Project,
        Tags = { service.Tags },
        CreatedAt = Timestamp.FromDateTimeOffset(service.CreatedAt),
        Revision = revision,
        Version = service.Version,
        Status = service.IsStarted ? "in_progress" : "created",
        IsServedHere = isServedHere,
    };

    public static Wire.DesiredState ToMessage(this DesiredState state, bool isServedHere) => new()
    {
        Service = state.Service.ToMessage(state.Revision, isServedHere),
        Revision = state.Revision,
        Endpoints = { state.Endpoints.Values.Select(RecordMessages.ToMessage) },
        Monitors = { state.Monitors.Values.Select(RecordMessages.ToMessage) },
        Canaries = { state.Canaries.Values.Select(RecordMessages.ToMessage) },
        Metrics = { state.Metrics.Values.Select(RecordMessages.ToMessage) },
        Parameters = state.Parameters.ToMessage(),
        AssignedVersions = { state.AssignedVersions.Select(ToMessage) },
        Artifacts = { state.Artifacts.Values.Select(ToMessage) },
    };

    public static Wire.AssignedVersion ToMessage(this VersionAssignment version) => new()
    {
        BaseServingUrl = version.BaseServingUrl,
        Version = version.Version,
        ModelId = version.ModelId,
        IsLive = version.IsLive,
        AssignedAt = Timestamp.FromDateTimeOffset(version.AssignedAt),
    };

    public static Wire.Artifact ToMessage(this ArtifactRecord artifact) => new()
    {
        Name = artifact.Name,
        Sha256 = artifact.Sha256,
        SizeBytes = artifact.SizeBytes,
        FileName = artifact.FileName,
        IsPackage = artifact.IsPackage,
        Uri = artifact.Uri,
        CreatedAt = Timestamp.FromDateTimeOffset(artifact.CreatedAt),
    };

    public static Wire.AuditEntry ToMessage(this AuditRecord entry) => new()
    {
        Id = entry.Id,
        At = Timestamp.FromDateTimeOffset(entry.At),
        Actor = entry.Actor,
        Action = entry.Action,
        ServiceId = entry.ServiceId,
        Target = entry.Target,
        Revision = entry.Revision,
        Before = RecordMessages.ParseValue(entry.BeforeJson),
        After = RecordMessages.ParseValue(entry.AfterJson),
    };

    public static Wire.Model ToMessage(this ModelRecord model)
    {
        var message = new Wire.Model
        {
            Id = model.Id,
            Name = model.Name,
            Project = model.Project,
            Tags = { model.Tags },
            SystemTags = { model.SystemTags },
            Framework = model.Framework,
            Published = model.IsPublished,
            Archived = model.IsArchived,
            CreatedAt = Timestamp.FromDateTimeOffset(model.CreatedAt),
            CreatedOrder = model.CreatedOrder,
            Uri = model.Uri,
            FileName = model.FileName,
            SizeBytes = model.SizeBytes,
            Sha256 = model.Sha256,
            Comment = model.Comment,
            UpdatedAt = Timestamp.FromDateTimeOffset(model.UpdatedAt),
        };
        foreach (var (label, text) in model.Labels)
            message.Labels[label] = text;
        return message;
    }

    public static Wire.EndpointStatus ToMessage(this EndpointStatus status) => new()
    {
        Replica = status.Replica,
        Endpoint = status.Endpoint,
        State = (Wire.EndpointState)status.Phase,
        Progress = status.Progress,
        Reason = status.Reason,
        ModelId = status.ModelId,
        Revision = status.Revision,
        UpdatedAt = Timestamp.FromDateTimeOffset(status.UpdatedAt),
    };
}
