using System.Text;

namespace Sluice.Models;

/// <summary>Classes of text-format tokens.</summary>
internal enum TextTokenKind : byte
{
    /// <summary>The text is over.</summary>
    End,

    /// <summary>A field name, an enum value, true, inf.</summary>
    Identifier,

    /// <summary>Decimal, octal or hexadecimal digits without a sign.</summary>
    Integer,

    /// <summary>A number with a point, an exponent or an <c>f</c>.</summary>
    Float,

    /// <summary>A quoted string with its quotes.</summary>
    String,

    /// <summary>One other character.</summary>
    Symbol,
}

/// <summary>Cuts text-format text into tokens, one at a time, in place.</summary>
internal ref struct TextTokenizer(ReadOnlySpan<byte> text, string source)
{
    private readonly ReadOnlySpan<byte> _text = text;
    private readonly string _source = source;
    private int _end;

    /// <summary>Class of the current token.</summary>
    public TextTokenKind Kind { get; private set; }

    /// <summary>Offset of the current token.</summary>
    public int Start { get; private set; }

    /// <summary>Bytes of the current token.</summary>
    public readonly ReadOnlySpan<byte> Bytes => _text[Start.._end];

    /// <summary>Current token as text.</summary>
    public readonly string Text => Encoding.UTF8.GetString(Bytes);

    /// <summary>Says whether the current token is this character.</summary>
    public readonly bool Is(char symbol) => Kind == TextTokenKind.Symbol && _text[Start] == symbol;

    /// <summary>Steps over the current token if it is this character.</summary>
    public bool TrySkip(char symbol)
    {
        if (!Is(symbol))
            return false;

        Next();
        return true;
    }

    /// <summary>Steps over the current token, which must be this character.</summary>
    public void Skip(char symbol)
    {
        if (!TrySkip(symbol))
            throw Error(Start, $"expected '{symbol}' but found {Describe()}");
    }

    /// <summary>Names the current token for a message.</summary>
    public readonly string Describe()
    {
        if (Kind == TextTokenKind.End)
            return "the end of the text";

        const int Longest = 40;
        return Bytes.Length <= Longest
            ? $"'{Text}'"
            : $"'{Encoding.UTF8.GetString(Bytes[..Longest]).TrimEnd('\uFFFD')}…'";
    }

    /// <summary>Makes an error at an offset, turned into line and column.</summary>
    public readonly TextFormatException Error(int offset, string detail)
    {
        var before = _text[..offset];
        var line = before.Count((byte)'\n') + 1;
        var column = 1;
        foreach (var b in before[(before.LastIndexOf((byte)'\n') + 1)..])
            column += (b & 0xC0) == 0x80 ? 0 : 1;

        return new TextFormatException(_source, line, column, detail);
    }

    /// <summary>Steps to the next token.</summary>
    public void Next()
    {
        SkipBlanks();
        Start = _end;
        Kind = TextTokenKind.End;
        if (_end == _text.Length)
            return;

        var first = _text[_end];
        if (IsNameStart(first))
            ReadName();
        else if (char.IsAsciiDigit((char)first) || (first == '.' && char.IsAsciiDigit((char)Peek(1))))
            ReadNumber();
        else if (first is (byte)'"' or (byte)'\'')
            ReadString(first);
        else
            ReadSymbol();
    }

    private readonly byte Peek(int ahead) => _end + ahead < _text.Length ? _text[_end + ahead] : (byte)0;

    private void SkipBlanks()
    {
        while (_end < _text.Length)
        {
            var b = _text[_end];
            if (b == '#')
            {
                var length = _text[_end..].IndexOf((byte)'\n');
                _end = length < 0 ? _text.Length : _end + length;
            }
            else if (b is (byte)' ' or (>= 0x09 and <= 0x0D))
                _end++;
            else
                return;
        }
    }

    private void ReadName()
    {
        Kind = TextTokenKind.Identifier;
        while (IsNamePart(Peek(0)))
            _end++;
    }

    private void ReadNumber()
    {
        Kind = TextTokenKind.Integer;
        if (Peek(0) == '0' && (Peek(1) | 0x20) == 'x')
        {
            _end += 2;
            while (char.IsAsciiHexDigit((char)Peek(0)))
                _end++;
        }
        else
            ReadDecimal();

        if (IsNamePart(Peek(0)) || Peek(0) == '.')
            throw Error(_end, $"a number ends in '{(char)Peek(0)}'");
    }

    private void ReadDecimal()
    {
        SkipDigits();
        if (Peek(0) == '.')
        {
            Kind = TextTokenKind.Float;
            _end++;
            SkipDigits();
        }

        if ((Peek(0) | 0x20) == 'e')
        {
            Kind = TextTokenKind.Float;
            _end += Peek(1) is (byte)'+' or (byte)'-' ? 2 : 1;
            if (!char.IsAsciiDigit((char)Peek(0)))
                throw Error(_end, "an exponent has no digits");

            SkipDigits();
        }

        if ((Peek(0) | 0x20) == 'f')
        {
            Kind = TextTokenKind.Float;
            _end++;
        }
    }

    private void SkipDigits()
    {
        while (char.IsAsciiDigit((char)Peek(0)))
            _end++;
    }

    private void ReadString(byte quote)
    {
        Kind = TextTokenKind.String;
        for (_end++; _end < _text.Length; _end++)
        {
            var b = _text[_end];
            if (b == quote)
            {
                _end++;
                return;
            }

            if (b is (byte)'\n' or 0)
                break;

            if (b == '\\' && Peek(1) is not ((byte)'\n' or 0))
                _end++;
        }

        throw Error(Start, "a string is not closed on its line");
    }

    private void ReadSymbol()
    {
        Kind = TextTokenKind.Symbol;
        // A whole character, so that messages show it; the text was checked to be UTF-8.
        Rune.DecodeFromUtf8(_text[_end..], out _, out var length);
        _end += length;
    }

    private static bool IsNameStart(byte b) => char.IsAsciiLetter((char)b) || b == '_';

    private static bool IsNamePart(byte b) => IsNameStart(b) || char.IsAsciiDigit((char)b);
}
