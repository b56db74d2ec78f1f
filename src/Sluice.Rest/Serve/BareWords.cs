namespace Sluice.Rest.Serve;

/// <summary>Puts quotes around the words <c>NaN</c>, <c>Infinity</c> and <c>-Infinity</c>, which Python writes without.</summary>
internal static class BareWords
{
    /// <summary>Returns the text with quoted words; null when it has none.</summary>
    public static byte[]? Quote(ReadOnlySpan<byte> json)
    {
        List<byte>? quoted = null;
        var copied = 0;
        for (var i = 0; i < json.Length; i++)
        {
            if (json[i] == '"')
            {
                i = EndOfString(json, i);
                continue;
            }

            if (WordAt(json[i..]) is not (> 0 and var length))
                continue;
            quoted ??= new List<byte>(json.Length + 16);
            quoted.AddRange(json[copied..i]);
            quoted.Add((byte)'"');
            quoted.AddRange(json.Slice(i, length));
            quoted.Add((byte)'"');
            copied = i + length;
            i += length - 1;
        }

        if (quoted is null)
            return null;
        quoted.AddRange(json[copied..]);
        return [.. quoted];
    }

    private static int WordAt(ReadOnlySpan<byte> text)
    {
        if (text[0] is not ((byte)'N' or (byte)'I' or (byte)'-'))
            return 0;
        return text.StartsWith("NaN"u8) ? 3 : text.StartsWith("Infinity"u8) ? 8 : text.StartsWith("-Infinity"u8) ? 9 : 0;
    }

    private static int EndOfString(ReadOnlySpan<byte> json, int start)
    {
        for (var i = start + 1; i < json.Length; i++)
        {
            if (json[i] == '\\')
                i++;
            else if (json[i] == '"')
                return i;
        }

        return json.Length;
    }
}
