using System.Buffers;
using System.Text.Json;

namespace Sluice.Rest.Json;

/// <summary>Takes the words <c>NaN</c>, <c>Infinity</c> and <c>-Infinity</c>, which Python writes without quotes, out of a text.</summary>
/// <remarks>Only a text that was refused is searched for them, so those without pay nothing.</remarks>
internal static class BareWords
{
    // Short, so that a body full of words does not become much longer.
    private static ReadOnlySpan<byte> NaNNumber => "7e99999"u8;

    private static ReadOnlySpan<byte> InfinityNumber => "1e9999"u8;

    private static ReadOnlySpan<byte> MinusInfinityNumber => "-1e9999"u8;

    /// <summary>Returns the text with quoted words; null when it has none.</summary>
    public static byte[]? Quote(ReadOnlySpan<byte> json) => Replace(json, asNumbers: false);

    /// <summary>Returns the text with numbers in their place that no type holds; null when it has none of the words.</summary>
    /// <remarks><see cref="TryRead"/> knows these numbers. Unlike quoted words they are never taken for texts.</remarks>
    public static byte[]? ToNumbers(in ReadOnlySequence<byte> json) =>
        Replace(json.IsSingleSegment ? json.FirstSpan : json.ToArray(), asNumbers: true);

    /// <summary>Tells the value of a number that stands for a word.</summary>
    public static bool TryRead(in Utf8JsonReader reader, out double value)
    {
        value = 0;
        if (reader.TokenType != JsonTokenType.Number || reader.HasValueSequence)
            return false;
        if (reader.ValueSpan.SequenceEqual(NaNNumber))
            value = double.NaN;
        else if (reader.ValueSpan.SequenceEqual(InfinityNumber))
            value = double.PositiveInfinity;
        else if (reader.ValueSpan.SequenceEqual(MinusInfinityNumber))
            value = double.NegativeInfinity;
        return value != 0;
    }

    private static byte[]? Replace(ReadOnlySpan<byte> json, bool asNumbers)
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
            var word = json.Slice(i, length);
            if (asNumbers)
                replaced.AddRange(word[0] == 'N' ? NaNNumber : word[0] == 'I' ? InfinityNumber : MinusInfinityNumber);
            else
                AddQuoted(replaced, word);
            copied = i + length;
            i += length - 1;
        }

        if (replaced is null)
            return null;
        replaced.AddRange(json[copied..]);
        return [.. replaced];
    }

    private static void AddQuoted(List<byte> text, ReadOnlySpan<byte> word)
    {
        text.Add((byte)'"');
        text.AddRange(word);
        text.Add((byte)'"');
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
