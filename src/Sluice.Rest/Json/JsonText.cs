using System.Buffers;
using System.Globalization;
using System.Text;
using Sluice.Rest.Calls;

namespace Sluice.Rest.Json;

/// <summary>Writes pieces of JSON text; for the hot path, where the structure is fixed and needs no checking.</summary>
internal static class JsonText
{
    private const int LongestNumber = 40;

    private static readonly SearchValues<byte> Escaped = SearchValues.Create(
        [.. Enumerable.Range(0, 32).Select(b => (byte)b), (byte)'"', (byte)'\\', .. Enumerable.Range(128, 128).Select(b => (byte)b)]);

    public static void WriteRaw(this ResponseBuffer output, ReadOnlySpan<byte> text)
    {
        text.CopyTo(output.GetSpan(text.Length));
        output.Advance(text.Length);
    }

    public static void WriteNumber(this ResponseBuffer output, long value)
    {
        value.TryFormat(output.GetSpan(LongestNumber), out var length, default, CultureInfo.InvariantCulture);
        output.Advance(length);
    }

    public static void WriteJsonString(this ResponseBuffer output, string text) =>
        output.WriteJsonString(Encoding.UTF8.GetBytes(text));

    /// <summary>Writes a quoted string; bytes that are no UTF-8 become U+FFFD, as JSON can carry nothing else.</summary>
    public static void WriteJsonString(this ResponseBuffer output, ReadOnlySpan<byte> utf8)
    {
        output.WriteRaw("\""u8);
        while (!utf8.IsEmpty)
        {
            var plain = utf8.IndexOfAny(Escaped);
            output.WriteRaw(plain < 0 ? utf8 : utf8[..plain]);
            if (plain < 0)
                break;
            utf8 = utf8[plain..];
            Rune.DecodeFromUtf8(utf8, out var rune, out var length);
            WriteRune(output, rune);
            utf8 = utf8[length..];
        }

        output.WriteRaw("\""u8);
    }

    private static void WriteRune(ResponseBuffer output, Rune rune)
    {
        switch (rune.Value)
        {
            case '"':
                output.WriteRaw("\\\""u8);
                break;
            case '\\':
                output.WriteRaw("\\\\"u8);
                break;
            case '\n':
                output.WriteRaw("\\n"u8);
                break;
            case < 32:
                output.WriteRaw("\\u00"u8);
                var hex = output.GetSpan(2);
                hex[0] = (byte)('0' + (rune.Value >> 4));
                hex[1] = (byte)"0123456789ABCDEF"[rune.Value & 15];
                output.Advance(2);
                break;
            default:
                output.Advance(rune.EncodeToUtf8(output.GetSpan(4)));
                break;
        }
    }
}
