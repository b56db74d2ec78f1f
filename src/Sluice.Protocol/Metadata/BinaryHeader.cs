namespace Sluice.Protocol.Metadata;

/// <summary>Values of headers whose name ends in <c>-bin</c>: base64, padding optional when received.</summary>
public static class BinaryHeader
{
    /// <summary>Encodes bytes without padding, as the protocol recommends.</summary>
    public static string Encode(ReadOnlySpan<byte> value) => Convert.ToBase64String(value).TrimEnd('=');

    /// <summary>Decodes a value.</summary>
    /// <returns>False when the text is no base64.</returns>
    public static bool TryDecode(string text, out byte[] value)
    {
        value = new byte[((text.Length + 3) / 4) * 3];
        var padded = text.PadRight((text.Length + 3) / 4 * 4, '=');
        var isGood = Convert.TryFromBase64String(padded, value, out var length);
        Array.Resize(ref value, isGood ? length : 0);
        return isGood;
    }
}
