using System.Buffers;
using System.Text.Json;
using Sluice.Inference;

namespace Sluice.Rest.Json;

/// <summary>Takes the words <c>NaN</c>, <c>Infinity</c> and <c>-Infinity</c>, which Python writes without quotes, out of a text.</summary>
/// <remarks>Only a text that was refused is searched for them, so those without pay nothing.</remarks>
internal static class BareWords
{
    // A longer text with such words is refused: the copies that it takes are not of the tensor memory, which has a limit.
    private const int LongestMarked = 4 << 20;

    private static ReadOnlySpan<byte> MarkedNaN => "N\\u0061N"u8;

    private static ReadOnlySpan<byte> MarkedInfinity => "\\u0049nfinity"u8;

    private static ReadOnlySpan<byte> MarkedMinusInfinity => "-\\u0049nfinity"u8;

    /// <summary>Returns the text with quoted words; null when it has none.</summary>
    public static byte[]? Quote(ReadOnlySpan<byte> json) => Replace(json, isMarked: false);

    /// <summary>Returns the text with quoted words of which a letter is escaped, as nobody writes them; null when it has none.</summary>
    /// <param name="refusal">Why the text was refused; only what the JSON reader itself refuses may have such words.</param>
    /// <param name="json">The text.</param>
    public static byte[]? Mark(InferenceException refusal, in ReadOnlySequence<byte> json) =>
        refusal.InnerException is null || json.Length > LongestMarked
            ? null
            : Replace(json.IsSingleSegment ? json.FirstSpan : json.ToArray(), isMarked: true);

    /// <summary>Tells the value of a word that <see cref="Mark"/> has quoted; a word that came in quotes is a text.</summary>
    public static bool TryRead(in Utf8JsonReader reader, out double value)
    {
        value = 0;
        if (reader.TokenType != JsonTokenType.String || !reader.ValueIsEscaped || reader.HasValueSequence)
            return false;
        if (reader.ValueSpan.SequenceEqual(MarkedNaN))
            value = double.NaN;
        else if (reader.ValueSpan.SequenceEqual(MarkedInfinity))
            value = double.PositiveInfinity;
        else if (reader.ValueSpan.SequenceEqual(MarkedMinusInfinity))
            value = double.NegativeInfinity;
        return value != 0;
    }

    private static byte[]? Replace(ReadOnlySpan<byte> json, bool isMarked)
    {
        List<byte>? replaced = null;
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
            replaced ??= new List<byte>(json.Length + 16);
            replaced.AddRange(json[copied..i]);
            replaced.Add((byte)'"');
            if (isMarked)
                replaced.AddRange(json[i] switch { (byte)'N' => MarkedNaN, (byte)'I' => MarkedInfinity, _ => MarkedMinusInfinity });
            else
                replaced.AddRange(json.Slice(i, length));
            replaced.Add((byte)'"');
            copied = i + length;
            i += length - 1;
        }

        if (replaced is null)
            return null;
        replaced.AddRange(json[copied..]);
        return [.. replaced];
    }

    private static int WordAt(ReadOnlySpan<byte> text)
    {
        if (text[0] is not ((byte)'N' or (byte)'I' or (byte)'-'))
            return 0;
        var length = text.StartsWith("NaN"u8) ? 3 : text.StartsWith("Infinity"u8) ? 8 : text.StartsWith("-Infinity"u8) ? 9 : 0;
        return length < text.Length && char.IsAsciiLetterOrDigit((char)text[length]) ? 0 : length;
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
