namespace Sluice.Http2.Hpack;

/// <summary>A header block cannot be decoded; the connection's compression state is lost (RFC 7541 §2.2, RFC 9113 §4.3).</summary>
internal sealed class HpackException(string message) : Exception(message);
