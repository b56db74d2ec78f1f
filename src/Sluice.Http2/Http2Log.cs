using Microsoft.Extensions.Logging;

namespace Sluice.Http2;

/// <summary>Log lines of the HTTP/2 transport.</summary>
internal static partial class Http2Log
{
    [LoggerMessage(2000, LogLevel.Information, "gRPC listens on {Address} (own HTTP/2, {Loops} loops)")]
    public static partial void Listening(ILogger logger, string address, int loops);

    [LoggerMessage(2001, LogLevel.Debug, "an HTTP/2 connection ends with {Code}: {Reason}")]
    public static partial void ConnectionFailed(ILogger logger, string code, string reason);

    [LoggerMessage(2002, LogLevel.Error, "a handler let a fault through")]
    public static partial void HandlerFault(ILogger logger, Exception error);

    [LoggerMessage(2003, LogLevel.Error, "a connection ends because of a fault of ours")]
    public static partial void ConnectionFault(ILogger logger, Exception error);

    [LoggerMessage(2005, LogLevel.Debug, "a TLS handshake failed: {Reason}")]
    public static partial void HandshakeFailed(ILogger logger, string reason);

    [LoggerMessage(2006, LogLevel.Information, "gRPC listens on {Address} (own HTTP/2, {Sockets})")]
    public static partial void ListeningOnSockets(ILogger logger, string address, string sockets);

    [LoggerMessage(2004, LogLevel.Error, "accepting connections fails with errno {Errno}; it is tried again")]
    public static partial void AcceptFailed(ILogger logger, int errno);
}
