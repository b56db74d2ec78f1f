using Microsoft.Extensions.Logging;

namespace Sluice.Control.Reconciler;

internal static partial class ReconcilerLog
{
    [LoggerMessage(EventId = 2150, EventName = "EndpointReady", Level = LogLevel.Information, Message = "Endpoint {Endpoint} is ready")]
    public static partial void EndpointReady(this ILogger logger, string endpoint);

    [LoggerMessage(EventId = 2151, EventName = "EndpointFailed", Level = LogLevel.Warning, Message = "Endpoint {Endpoint} failed: {Reason}")]
    public static partial void EndpointFailed(this ILogger logger, string endpoint, string reason);

    [LoggerMessage(EventId = 2152, EventName = "EndpointGone", Level = LogLevel.Information, Message = "Endpoint {Endpoint} is gone")]
    public static partial void EndpointGone(this ILogger logger, string endpoint);

    [LoggerMessage(EventId = 2153, EventName = "EndpointFault", Level = LogLevel.Error, Message = "Endpoint {Endpoint} failed unexpectedly")]
    public static partial void EndpointFault(this ILogger logger, Exception error, string endpoint);

    [LoggerMessage(
        EventId = 2154, EventName = "FollowFailed", Level = LogLevel.Warning,
        Message = "The desired state cannot be followed now, endpoints stay as they are: {Reason}")]
    public static partial void FollowFailed(this ILogger logger, string reason);

    [LoggerMessage(
        EventId = 2155, EventName = "MonitorFailed", Level = LogLevel.Warning,
        Message = "Auto-update of {Endpoint} failed and will be tried again: {Reason}")]
    public static partial void MonitorFailed(this ILogger logger, string endpoint, string reason);

    [LoggerMessage(
        EventId = 2156, EventName = "VersionsAssigned", Level = LogLevel.Information,
        Message = "Auto-update of {Endpoint} serves versions {Versions}")]
    public static partial void VersionsAssigned(this ILogger logger, string endpoint, string versions);
}
