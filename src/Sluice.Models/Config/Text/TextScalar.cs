using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Sluice.Models;

/// <summary>Reads one scalar value of the type that a field wants.</summary>
internal static class TextScalar
{
    /// <returns>A boxed value that the field's accessor takes; enums as their number.</returns>
    public static object Read(ref TextTokenizer tokens, FieldDescriptor field) => field.FieldType switch
    {
        FieldType.String => ReadText(ref tokens, field),
        FieldType.Bytes => ByteString.CopyFrom(TextStringLiteral.Read(ref tokens)),
        FieldType.Bool => ReadBool(ref tokens, field),
        FieldType.Enum => ReadEnum(ref tokens, field),
        FieldType.Double => ReadDouble(ref tokens, field),
        FieldType.Float => (float)ReadDouble(ref tokens, field),
        FieldType.Int32 or FieldType.SInt32 or FieldType.SFixed32 =>
            (int)ReadSigned(ref tokens, field, int.MinValue, int.MaxValue),
        FieldType.Int64 or FieldType.SInt64 or FieldType.SFixed64 =>
            (long)ReadSigned(ref tokens, field, long.MinValue, long.MaxValue),
        FieldType.UInt32 or FieldType.Fixed32 => (uint)ReadSigned(ref tokens, field, 0, uint.MaxValue),
        FieldType.UInt64 or FieldType.Fixed64 => (ulong)ReadSigned(ref tokens, field, 0, ulong.MaxValue),
        _ => throw tokens.Error(tokens.Start, $"field '{field.Name}' has a type that text cannot hold"),
    };

    private static string ReadText(ref TextTokenizer tokens, FieldDescriptor field)
    {
        var start = tokens.Start;
        var bytes = TextStringLiteral.Read(ref tokens);
        if (!Utf8.IsValid(bytes))
            throw tokens.Error(start, $"the string for '{field.Name}' is not valid UTF-8");

        return Encoding.UTF8.GetString(bytes);
    }

    private static bool ReadBool(ref TextTokenizer tokens, FieldDescriptor field)
    {
        if (tokens.Kind == TextTokenKind.Integer)
            return ReadSigned(ref tokens, field, 0, 1) != 0;

        bool? value = tokens.Kind != TextTokenKind.Identifier ? null : tokens.Text switch
        {
            "true" or "True" or "t" => true,
            "false" or "False" or "f" => false,
            _ => null,
        };
        if (value is null)
            throw tokens.Error(tokens.Start, $"'{field.Name}' takes true or false, not {tokens.Describe()}");

        tokens.Next();
        return value.Value;
    }

    private static int ReadEnum(ref TextTokenizer tokens, FieldDescriptor field)
    {
        var start = tokens.Start;
        if (tokens.Kind == TextTokenKind.Identifier)
        {
            var name = tokens.Text;
            var known = field.EnumType.FindValueByName(name)
                ?? throw tokens.Error(start, $"{field.EnumType.Name} has no value '{name}'"
                    + Suggestion.For(name, field.EnumType.Values.Select(v => v.Name)));
            tokens.Next();
            return known.Number;
        }

        if (tokens.Kind is not TextTokenKind.Integer && !tokens.Is('-'))
            throw tokens.Error(start, $"'{field.Name}' takes a value of {field.EnumType.Name}, not {tokens.Describe()}");

        var number = (int)ReadSigned(ref tokens, field, int.MinValue, int.MaxValue);
        if (field.EnumType.FindValueByNumber(number) is null)
            throw tokens.Error(start, $"{field.EnumType.Name} has no value {number}");

        return number;
    }

    private static Int128 ReadSigned(ref TextTokenizer tokens, FieldDescriptor field, Int128 least, Int128 most)
    {
        var start = tokens.Start;
        var negative = tokens.TrySkip('-');
        if (tokens.Kind != TextTokenKind.Integer)
            throw tokens.Error(tokens.Start, $"'{field.Name}' takes an integer, not {tokens.Describe()}");

        if (!TryParseMagnitude(tokens.Bytes, out var magnitude, out var malformed))
            throw tokens.Error(tokens.Start, malformed
                ? $"{tokens.Describe()} is no integer"
                : $"{tokens.Describe()} does not fit '{field.Name}' ({least} to {most})");

        var value = negative ? -(Int128)magnitude : magnitude;
        if (value < least || value > most)
            throw tokens.Error(start, $"{value} does not fit '{field.Name}' ({least} to {most})");

        tokens.Next();
        return value;
    }

    private static bool TryParseMagnitude(ReadOnlySpan<byte> digits, out ulong value, out bool malformed)
    {
        malformed = false;
        if (digits.Length > 1 && digits[0] == '0')
        {
            var isHex = (digits[1] | 0x20) == 'x';
            return TryParseBits(isHex ? digits[2..] : digits[1..], isHex ? 4 : 3, out value, out malformed);
        }

        return ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out value);
    }

    private static bool TryParseBits(ReadOnlySpan<byte> digits, int bits, out ulong value, out bool malformed)
    {
        value = 0;
        malformed = digits.IsEmpty;
        foreach (var digit in digits)
        {
            var part = (ulong)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
            malformed |= part >= 1ul << bits;
            if (malformed || value >> (64 - bits) != 0)
                return false;

            value = (value << bits) | part;
        }

        return !malformed;
    }

    private static double ReadDouble(ref TextTokenizer tokens, FieldDescriptor field)
    {
        var sign = tokens.TrySkip('-') ? -1.0 : 1.0;
        var bytes = tokens.Bytes;
        double value;
        if (tokens.Kind == TextTokenKind.Identifier && TryParseName(tokens.Text, out value))
        {
        }
        else if (tokens.Kind is not (TextTokenKind.Integer or TextTokenKind.Float))
            throw tokens.Error(tokens.Start, $"'{field.Name}' takes a number, not {tokens.Describe()}");
        else if (tokens.Kind == TextTokenKind.Integer && bytes.Length > 1 && bytes[0] == '0')
            throw tokens.Error(tokens.Start, $"'{field.Name}' takes a decimal number, not {tokens.Describe()}");
        else
            value = double.Parse(
                (bytes[^1] | 0x20) == 'f' ? bytes[..^1] : bytes, NumberStyles.Float, CultureInfo.InvariantCulture);

        tokens.Next();
        return sign * value;
    }

    private static bool TryParseName(string name, out double value)
    {
        value = name.ToLowerInvariant() switch
        {
            "inf" or "infinity" => double.PositiveInfinity,
            "nan" => double.NaN,
            _ => 0,
        };
        return value != 0;
    }
}
