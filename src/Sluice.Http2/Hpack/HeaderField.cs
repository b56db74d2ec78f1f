namespace Sluice.Http2.Hpack;

/// <summary>A header as it was sent: a lower-case name and its value, each byte as one character (ISO 8859-1).</summary>
internal readonly record struct HeaderField(string Name, string Value)
{
    /// <summary>What an entry costs beyond its bytes (RFC 7541 §4.1).</summary>
    public const int Overhead = 32;

    /// <summary>Size as HPACK and HTTP/2 count it.</summary>
    public int Size => Name.Length + Value.Length + Overhead;
}
