using Microsoft.Extensions.Logging;

namespace Sluice.Control;

internal static partial class ControlLog
{
    [LoggerMessage(
        EventId = 2100, EventName = "StoreLost", Level = LogLevel.Warning,
        Message = "the control plane's store does not answer; what is known goes on being served: {Reason}")]
    public static partial void StoreLost(ILogger logger, string reason);

    [LoggerMessage(
        EventId = 2101, EventName = "StoreBack", Level = LogLevel.Information, Message = "the control plane's store answers again")]
    public static partial void StoreBack(ILogger logger);

    [LoggerMessage(
        EventId = 2102, EventName = "RecordUnreadable", Level = LogLevel.Warning,
        Message = "service {ServiceId}: record {Record} cannot be read and is left out: {Reason}")]
    public static partial void RecordUnreadable(ILogger logger, string serviceId, string record, string reason);

    [LoggerMessage(
        EventId = 2103, EventName = "ServedServiceChosen", Level = LogLevel.Information,
        Message = "serves service {ServiceId} '{Name}' at revision {Revision}")]
    public static partial void ServedServiceChosen(ILogger logger, string serviceId, string name, long revision);

    [LoggerMessage(
        EventId = 2104, EventName = "ServedServiceAmbiguous", Level = LogLevel.Warning,
        Message = "the store has {Count} services; the oldest, {ServiceId}, is served: name another one with --service-id")]
    public static partial void ServedServiceAmbiguous(ILogger logger, int count, string serviceId);

    [LoggerMessage(
        EventId = 2105, EventName = "LoopFailed", Level = LogLevel.Error, Message = "the control plane's look for changes failed; it goes on")]
    public static partial void LoopFailed(ILogger logger, Exception error);

    [LoggerMessage(
        EventId = 2106, EventName = "SchemaMigrated", Level = LogLevel.Information,
        Message = "the store {Store} has schema version {Version}, was {Before}")]
    public static partial void SchemaMigrated(ILogger logger, string store, int version, int before);

    [LoggerMessage(
        EventId = 2107, EventName = "TransferRetried", Level = LogLevel.Warning,
        Message = "attempt {Attempt} to fetch {Uri} failed, trying again: {Reason}")]
    public static partial void TransferRetried(ILogger logger, string uri, int attempt, string reason);

    [LoggerMessage(
        EventId = 2108, EventName = "CacheEvicted", Level = LogLevel.Information,
        Message = "evicted {Path} of {Bytes} bytes from the artifact cache")]
    public static partial void CacheEvicted(ILogger logger, string path, long bytes);

    [LoggerMessage(
        EventId = 2109, EventName = "CacheCorrupt", Level = LogLevel.Warning,
        Message = "the cached copy {Path} is not what was stored there; it is fetched again")]
    public static partial void CacheCorrupt(ILogger logger, string path);

    [LoggerMessage(
        EventId = 2110, EventName = "DeleteLeftFile", Level = LogLevel.Warning,
        Message = "the file {Uri} of a removed model could not be removed: {Reason}")]
    public static partial void DeleteLeftFile(ILogger logger, string uri, string reason);
}
