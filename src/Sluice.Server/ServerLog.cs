using Microsoft.Extensions.Logging;

namespace Sluice.Server;

internal static partial class ServerLog
{
    [LoggerMessage(EventId = 1600, EventName = "Ready", Level = LogLevel.Information, Message = "Ready after {Seconds:F2} s")]
    public static partial void Ready(ILogger logger, double seconds);

    [LoggerMessage(
        EventId = 1601, EventName = "Stopping", Level = LogLevel.Information,
        Message = "Stopping: not ready any more, {Active} calls under way have {Seconds} s to end")]
    public static partial void Stopping(ILogger logger, long active, double seconds);

    [LoggerMessage(
        EventId = 1602, EventName = "ExitTimedOut", Level = LogLevel.Error,
        Message = "Exit timeout expired with {Active} calls under way. Exiting immediately")]
    public static partial void ExitTimedOut(ILogger logger, long active);

    [LoggerMessage(EventId = 1603, EventName = "Stopped", Level = LogLevel.Information, Message = "Stopped")]
    public static partial void Stopped(ILogger logger);

    [LoggerMessage(
        EventId = 1604, EventName = "StartFailed", Level = LogLevel.Error,
        Message = "{Count} models failed to load and --exit-on-error is true; exiting")]
    public static partial void StartFailed(ILogger logger, int count);

    [LoggerMessage(EventId = 1605, EventName = "Row", Level = LogLevel.Information, Message = "{Row}")]
    public static partial void Row(ILogger logger, string row);

    [LoggerMessage(
        EventId = 1606, EventName = "WithoutEffect", Level = LogLevel.Warning,
        Message = "--{Name} is accepted without effect: {Reason}")]
    public static partial void WithoutEffect(ILogger logger, string name, string reason);

    [LoggerMessage(
        EventId = 1607, EventName = "TraceFailed", Level = LogLevel.Error,
        Message = "Traces cannot be written; further failures are not told")]
    public static partial void TraceFailed(ILogger logger, Exception error);

    [LoggerMessage(
        EventId = 1608, EventName = "KeysRefused", Level = LogLevel.Warning,
        Message = "New keys cannot be used, the old ones stay: {Reason}")]
    public static partial void KeysRefused(ILogger logger, string reason);

    [LoggerMessage(
        EventId = 1610, EventName = "ServePortTaken", Level = LogLevel.Warning,
        Message = "Endpoints and the control API are not served over HTTP, {EndPoint} cannot be used: {Reason}; --serve-port names another")]
    public static partial void ServePortTaken(ILogger logger, string endPoint, string reason);

    [LoggerMessage(
        EventId = 1620, EventName = "Supervised", Level = LogLevel.Information, Message = "The server runs as process {Process}")]
    public static partial void Supervised(ILogger logger, int process);

    [LoggerMessage(
        EventId = 1621, EventName = "Crashed", Level = LogLevel.Error,
        Message = "The server has crashed ({Signal}); models at work in native code: {Models}. It is started again in {Seconds} s")]
    public static partial void Crashed(ILogger logger, string signal, string models, double seconds);

    [LoggerMessage(
        EventId = 1622, EventName = "Quarantined", Level = LogLevel.Error,
        Message = "At work in two crashes, so not loaded again until their files are replaced: {Models}")]
    public static partial void Quarantined(ILogger logger, string models);

    [LoggerMessage(
        EventId = 1609, EventName = "Countdown", Level = LogLevel.Information,
        Message = "Timeout {Seconds}: Found {Active} calls under way")]
    public static partial void Countdown(ILogger logger, double seconds, long active);
}
