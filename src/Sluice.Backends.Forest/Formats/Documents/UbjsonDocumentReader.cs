using System.Buffers.Binary;
using System.Text;

namespace Sluice.Backends.Forest.Formats.Documents;

/// <summary>Reads Universal Binary JSON, draft 12: big endian, typed arrays with counts.</summary>
internal ref struct UbjsonDocumentReader(ReadOnlySpan<byte> bytes)
{
    private const int MaxDepth = 64;

    private readonly ReadOnlySpan<byte> _bytes = bytes;
    private int _position;
    private int _depth;

    /// <summary>Reads one value; see <see cref="Field"/> for its form.</summary>
    /// <exception cref="ForestFormatException">It is not UBJSON.</exception>
    public object? Read()
    {
        var value = ReadValue(NextMarker());
        if (_position != _bytes.Length)
            throw Wrong("there is something behind the end");
        return value;
    }

    private object? ReadValue(byte marker)
    {
        switch ((char)marker)
        {
            case '{': return ReadObject();
            case '[': return ReadArray();
            case 'S' or 'H': return Encoding.UTF8.GetString(Take(ReadLength()));
            case 'C': return ((char)Take(1)[0]).ToString();
            case 'T': return true;
            case 'F': return false;
            case 'Z': return null;
            default: return ReadNumber(marker);
        }
    }

    private Dictionary<string, object?> ReadObject()
    {
        Enter();
        var (type, count) = ReadHeader();
        var members = new Dictionary<string, object?>(StringComparer.Ordinal);
        for (var i = 0; count < 0 ? PeekMarker() != '}' : i < count; i++)
        {
            var name = Encoding.UTF8.GetString(Take(ReadLength()));
            members[name] = ReadValue(type ?? NextMarker());
        }

        Leave(count);
        return members;
    }

    private object ReadArray()
    {
        Enter();
        var (type, count) = ReadHeader();
        if (type is { } known && SizeOf(known) is > 0 and var size)
            return ReadNumbers(known, size, count);

        var numbers = new List<double>();
        List<object?>? items = null;
        for (var i = 0; count < 0 ? PeekMarker() != ']' : i < count; i++)
        {
            var value = ReadValue(type ?? NextMarker());
            if (items is null && value is double number)
            {
                numbers.Add(number);
                continue;
            }

            items ??= [.. numbers.Select(one => (object?)one)];
            items.Add(value);
        }

        Leave(count);
        return items ?? (object)numbers.ToArray();
    }

    private double[] ReadNumbers(byte type, int size, int count)
    {
        if (count < 0)
            throw Wrong("a typed array has no count");
        if ((long)count * size > _bytes.Length - _position)
            throw Wrong($"an array of {count} elements goes past the end");
        var numbers = new double[count];
        for (var i = 0; i < count; i++)
            numbers[i] = ReadNumber(type);
        _depth--;
        return numbers;
    }

    /// <summary>Reads <c>$ type # count</c> where present.</summary>
    private (byte? Type, int Count) ReadHeader()
    {
        byte? type = null;
        if (PeekMarker() == '$')
        {
            _position++;
            type = NextMarker();
        }

        if (PeekMarker() != '#')
            return type is null ? (null, -1) : throw Wrong("a type without a count");
        _position++;
        var count = ReadLength();

        // Each element takes a byte at least, but for those whose type says everything.
        if (count > _bytes.Length - _position)
            throw Wrong($"{count} elements go past the end");
        return (type, count);
    }

    private void Enter()
    {
        if (++_depth > MaxDepth)
            throw Wrong($"more than {MaxDepth} levels");
    }

    private void Leave(int count)
    {
        if (count < 0)
            _position++;
        _depth--;
    }

    private int ReadLength()
    {
        var length = ReadNumber(NextMarker());
        if (length < 0 || length > _bytes.Length - _position || length != Math.Floor(length))
            throw Wrong($"a length of {length}");
        return (int)length;
    }

    private double ReadNumber(byte marker) => (char)marker switch
    {
        'i' => (sbyte)Take(1)[0],
        'U' => Take(1)[0],
        'I' => BinaryPrimitives.ReadInt16BigEndian(Take(2)),
        'l' => BinaryPrimitives.ReadInt32BigEndian(Take(4)),
        'L' => BinaryPrimitives.ReadInt64BigEndian(Take(8)),
        'd' => BinaryPrimitives.ReadSingleBigEndian(Take(4)),
        'D' => BinaryPrimitives.ReadDoubleBigEndian(Take(8)),
        _ => throw Wrong($"unknown type 0x{marker:x2}"),
    };

    private static int SizeOf(byte marker) => (char)marker switch
    {
        'i' or 'U' => 1,
        'I' => 2,
        'l' or 'd' => 4,
        'L' or 'D' => 8,
        _ => 0,
    };

    private readonly byte PeekMarker() => _position < _bytes.Length ? _bytes[_position] : throw Wrong("the file ends");

    private byte NextMarker()
    {
        byte marker;
        do
        {
            marker = PeekMarker();
            _position++;
        }
        while (marker == 'N');
        return marker;
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _bytes.Length - _position)
            throw Wrong("the file ends");
        var taken = _bytes.Slice(_position, count);
        _position += count;
        return taken;
    }

    private readonly ForestFormatException Wrong(string reason) => ForestFormatException.At(_position, reason);
}
