namespace Sluice.Http2.Connection;

/// <summary>The peer broke a rule that ends the connection (RFC 9113 §5.4.1).</summary>
internal sealed class Http2ConnectionException(Http2ErrorCode code, string message) : Exception(message)
{
    /// <summary>Goes into GOAWAY.</summary>
    public Http2ErrorCode Code { get; } = code;
}
