using Microsoft.Extensions.Logging;

namespace Sluice.Rest;

internal static partial class RestLog
{
    [LoggerMessage(EventId = 1100, EventName = "HandlerFailed", Level = LogLevel.Error, Message = "{Method} {Target} failed unexpectedly")]
    public static partial void HandlerFailed(ILogger logger, string method, string target, Exception error);

    [LoggerMessage(EventId = 1101, EventName = "Listening", Level = LogLevel.Information, Message = "HTTP listens on {Address}")]
    public static partial void Listening(ILogger logger, Uri address);

    [LoggerMessage(
        EventId = 1102, EventName = "Access", Level = LogLevel.Information,
        Message = "{Method} {Target} {Status} {Microseconds} us traceparent={TraceParent}")]
    public static partial void Access(
        ILogger logger, string method, string target, int status, long microseconds, string traceParent);

    [LoggerMessage(
        EventId = 1103, EventName = "Call", Level = LogLevel.Debug,
        Message = "{Method} {Target} {Status} {Microseconds} us traceparent={TraceParent}")]
    public static partial void Call(
        ILogger logger, string method, string target, int status, long microseconds, string traceParent);
}
