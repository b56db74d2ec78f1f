using System.Buffers.Text;
using System.Text;

namespace Sluice.Backends.Forest.Formats.Documents;

/// <summary>Reads JSON as XGBoost and CatBoost write it, which may hold the bare literals <c>NaN</c> and <c>Infinity</c>.</summary>
internal ref struct JsonDocumentReader(ReadOnlySpan<byte> text)
{
    private const int MaxDepth = 64;

    private readonly ReadOnlySpan<byte> _text = text;
    private int _position;
    private int _depth;

    /// <summary>Reads the whole text as one value; see <see cref="Field"/> for its form.</summary>
    /// <exception cref="ForestFormatException">It is not JSON.</exception>
    public object? Read()
    {
        var value = ReadValue();
        SkipBlanks();
        if (_position != _text.Length)
            throw Wrong("there is something behind the end");
        return value;
    }

    private object? ReadValue()
    {
        SkipBlanks();
        switch (Peek())
        {
            case (byte)'{': return ReadObject();
            case (byte)'[': return ReadArray();
            case (byte)'"': return ReadString();
            case (byte)'t': Expect("true"u8); return true;
            case (byte)'f': Expect("false"u8); return false;
            case (byte)'n' when Starts("null"u8): Expect("null"u8); return null;
            default: return ReadNumber();
        }
    }

    private Dictionary<string, object?> ReadObject()
    {
        Enter();
        var members = new Dictionary<string, object?>(StringComparer.Ordinal);
        while (!TryClose((byte)'}', members.Count))
        {
            SkipBlanks();
            var name = ReadString();
            SkipBlanks();
            Expect(":"u8);
            members[name] = ReadValue();
        }

        return members;
    }

    private object ReadArray()
    {
        Enter();
        var numbers = new List<double>();
        List<object?>? items = null;
        for (var count = 0; !TryClose((byte)']', count); count++)
        {
            var value = ReadValue();
            if (items is null && value is double number)
            {
                numbers.Add(number);
                continue;
            }

            items ??= [.. numbers.Select(one => (object?)one)];
            items.Add(value);
        }

        return items ?? (object)numbers.ToArray();
    }

    private void Enter()
    {
        _position++;
        if (++_depth > MaxDepth)
            throw Wrong($"more than {MaxDepth} levels");
    }

    /// <summary>Takes the closing bracket, or the comma before another element.</summary>
    private bool TryClose(byte bracket, int count)
    {
        SkipBlanks();
        if (Peek() == bracket)
        {
            _position++;
            _depth--;
            return true;
        }

        if (count > 0)
            Expect(","u8);
        return false;
    }

    private string ReadString()
    {
        Expect("\""u8);
        var rest = _text[_position..];
        var end = rest.IndexOfAny((byte)'"', (byte)'\\');
        if (end < 0)
            throw Wrong("a string has no end");
        if (rest[end] == '"')
        {
            _position += end + 1;
            return Encoding.UTF8.GetString(rest[..end]);
        }

        var result = new StringBuilder();
        while (true)
        {
            rest = _text[_position..];
            end = rest.IndexOfAny((byte)'"', (byte)'\\');
            if (end < 0)
                throw Wrong("a string has no end");
            result.Append(Encoding.UTF8.GetString(rest[..end]));
            _position += end + 1;
            if (rest[end] == '"')
                return result.ToString();
            result.Append(ReadEscape());
        }
    }

    private char ReadEscape()
    {
        var escape = (char)Peek();
        _position++;
        switch (escape)
        {
            case '"' or '\\' or '/': return escape;
            case 'b': return '\b';
            case 'f': return '\f';
            case 'n': return '\n';
            case 'r': return '\r';
            case 't': return '\t';
            case 'u' when _position + 4 <= _text.Length &&
                Utf8Parser.TryParse(_text.Slice(_position, 4), out ushort code, out var used, 'x') && used == 4:
                _position += 4;
                return (char)code;
            default: throw Wrong("an unknown escape");
        }
    }

    private double ReadNumber()
    {
        var sign = Peek() == '-' ? -1 : 1;
        var start = _position;
        if (sign < 0)
            _position++;
        if (_position < _text.Length && _text[_position] is (byte)'N' or (byte)'n')
        {
            Expect(_text[_position] == 'N' ? "NaN"u8 : "nan"u8);
            return double.NaN;
        }

        if (_position < _text.Length && _text[_position] is (byte)'I' or (byte)'i')
        {
            Expect(Starts("Infinity"u8) ? "Infinity"u8 : Starts("inf"u8) ? "inf"u8 : "Inf"u8);
            return sign * double.PositiveInfinity;
        }

        if (!Utf8Parser.TryParse(_text[start..], out double number, out var length))
            throw Wrong("a value was expected");
        _position = start + length;
        return number;
    }

    private readonly bool Starts(ReadOnlySpan<byte> word) => _text[_position..].StartsWith(word);

    private void Expect(ReadOnlySpan<byte> word)
    {
        if (!Starts(word))
            throw Wrong($"'{Encoding.UTF8.GetString(word)}' was expected");
        _position += word.Length;
    }

    private readonly byte Peek() => _position < _text.Length ? _text[_position] : throw Wrong("the text ends");

    private void SkipBlanks()
    {
        while (_position < _text.Length && _text[_position] is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t')
            _position++;
    }

    private readonly ForestFormatException Wrong(string reason) => ForestFormatException.At(_position, reason);
}
