using System.Buffers;
using System.Text;

namespace Sluice.Models;

/// <summary>Turns quoted strings with escapes into bytes.</summary>
internal static class TextStringLiteral
{
    /// <summary>Reads one or more adjacent string tokens; leaves the tokenizer behind them.</summary>
    public static byte[] Read(ref TextTokenizer tokens)
    {
        if (tokens.Kind != TextTokenKind.String)
            throw tokens.Error(tokens.Start, $"expected a string but found {tokens.Describe()}");

        var output = new ArrayBufferWriter<byte>();
        while (tokens.Kind == TextTokenKind.String)
        {
            Append(ref tokens, output);
            tokens.Next();
        }

        return output.WrittenSpan.ToArray();
    }

    private static void Append(ref TextTokenizer tokens, ArrayBufferWriter<byte> output)
    {
        var body = tokens.Bytes[1..^1];
        var offset = 0;
        while (offset < body.Length)
        {
            var plain = body[offset..].IndexOf((byte)'\\');
            if (plain < 0)
                plain = body.Length - offset;

            output.Write(body.Slice(offset, plain));
            offset += plain;
            if (offset < body.Length)
                offset += Unescape(ref tokens, body[offset..], tokens.Start + 1 + offset, output);
        }
    }

    /// <returns>Bytes of source consumed, the backslash included.</returns>
    private static int Unescape(
        ref TextTokenizer tokens, ReadOnlySpan<byte> escape, int position, ArrayBufferWriter<byte> output)
    {
        // The tokenizer guarantees a character after each backslash inside the quotes.
        var kind = escape[1];
        if (kind is >= (byte)'0' and <= (byte)'7')
            return UnescapeOctal(ref tokens, escape, position, output);

        if (kind is (byte)'x' or (byte)'X')
            return UnescapeHex(ref tokens, escape, position, output);

        if (kind is (byte)'u' or (byte)'U')
            return UnescapeRune(ref tokens, escape, position, output);

        var index = "abfnrtv\\'\"?"u8.IndexOf(kind);
        if (index < 0)
            throw tokens.Error(position, "an escape sequence is not known");

        Put(output, "\a\b\f\n\r\t\v\\'\"?"u8[index]);
        return 2;
    }

    private static int UnescapeOctal(
        ref TextTokenizer tokens, ReadOnlySpan<byte> escape, int position, ArrayBufferWriter<byte> output)
    {
        var (value, length) = (0, 1);
        for (; length < Math.Min(4, escape.Length) && escape[length] is >= (byte)'0' and <= (byte)'7'; length++)
            value = (value * 8) + (escape[length] - '0');

        if (value > byte.MaxValue)
            throw tokens.Error(position, "an octal escape is larger than \\377");

        Put(output, (byte)value);
        return length;
    }

    private static int UnescapeHex(
        ref TextTokenizer tokens, ReadOnlySpan<byte> escape, int position, ArrayBufferWriter<byte> output)
    {
        var length = CountHex(escape[2..], 2);
        if (length == 0)
            throw tokens.Error(position, "a \\x escape has no hexadecimal digit");

        Put(output, (byte)ParseHex(escape.Slice(2, length)));
        return 2 + length;
    }

    private static int UnescapeRune(
        ref TextTokenizer tokens, ReadOnlySpan<byte> escape, int position, ArrayBufferWriter<byte> output)
    {
        var digits = escape[1] == 'u' ? 4 : 8;
        if (CountHex(escape[2..], digits) != digits)
            throw tokens.Error(position, $"a \\{(char)escape[1]} escape needs {digits} hexadecimal digits");

        var value = ParseHex(escape.Slice(2, digits));
        var length = 2 + digits;
        // A character outside the first plane may be written as two \u escapes, high half first.
        if (digits == 4 && char.IsHighSurrogate((char)value) && escape[length..].StartsWith("\\u"u8)
            && CountHex(escape[(length + 2)..], 4) == 4)
        {
            var low = (char)ParseHex(escape.Slice(length + 2, 4));
            if (char.IsLowSurrogate(low))
                (value, length) = ((uint)char.ConvertToUtf32((char)value, low), length + 6);
        }

        if (!Rune.TryCreate(value, out var rune))
            throw tokens.Error(position, $"U+{value:X} is no Unicode character");

        rune.TryEncodeToUtf8(output.GetSpan(4), out var written);
        output.Advance(written);
        return length;
    }

    private static int CountHex(ReadOnlySpan<byte> text, int most)
    {
        var count = 0;
        while (count < most && count < text.Length && char.IsAsciiHexDigit((char)text[count]))
            count++;

        return count;
    }

    private static uint ParseHex(ReadOnlySpan<byte> digits)
    {
        uint value = 0;
        foreach (var digit in digits)
            value = (value << 4) | (uint)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);

        return value;
    }

    private static void Put(ArrayBufferWriter<byte> output, byte value)
    {
        output.GetSpan(1)[0] = value;
        output.Advance(1);
    }
}
