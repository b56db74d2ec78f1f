using Microsoft.Extensions.Logging;

namespace Sluice.Rpc;

internal static partial class RpcLog
{
    [LoggerMessage(EventId = 1000, EventName = "HandlerFailed", Level = LogLevel.Error, Message = "{Path} failed unexpectedly")]
    public static partial void HandlerFailed(ILogger logger, string path, Exception error);

    [LoggerMessage(
        EventId = 1002, EventName = "Access", Level = LogLevel.Information,
        Message = "{Path} {Status} {Microseconds} us traceparent={TraceParent}")]
    public static partial void Access(ILogger logger, string path, string status, long microseconds, string traceParent);

    [LoggerMessage(EventId = 1001, EventName = "Listening", Level = LogLevel.Information, Message = "gRPC listens on {Address}")]
    public static partial void Listening(ILogger logger, Uri address);

    [LoggerMessage(
        EventId = 1003, EventName = "CertificatesRead", Level = LogLevel.Information,
        Message = "Certificate {Path} was read anew")]
    public static partial void CertificatesRead(ILogger logger, string path);

    [LoggerMessage(
        EventId = 1004, EventName = "CertificatesRefused", Level = LogLevel.Warning,
        Message = "New certificates cannot be used, the old ones stay: {Reason}")]
    public static partial void CertificatesRefused(ILogger logger, string reason);

    [LoggerMessage(
        EventId = 1005, EventName = "Call", Level = LogLevel.Debug,
        Message = "{Path} {Status} {Microseconds} us traceparent={TraceParent}")]
    public static partial void Call(ILogger logger, string path, string status, long microseconds, string traceParent);
}
