using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Sluice.Backends.Forest.Formats.Onnx;

/// <summary>Reads the fields of one protobuf message where it lies; of ONNX only a few are wanted, the rest is skipped.</summary>
/// <remarks>Wire format: a tag <c>(number &lt;&lt; 3) | type</c>, then a varint (0), 8 bytes (1), a length and its bytes (2), or 4
/// bytes (5). Repeated numbers come packed in one field or one by one.</remarks>
internal ref struct ProtoReader(ReadOnlySpan<byte> message, long start)
{
    private readonly ReadOnlySpan<byte> _message = message;
    private int _position;
    private int _type;

    /// <summary>Number of the field that was begun.</summary>
    public int Field { get; private set; }

    /// <summary>Where in the file it is.</summary>
    public readonly long Position => start + _position;

    /// <summary>Goes to the next field; false at the end.</summary>
    public bool Next()
    {
        if (_position == _message.Length)
            return false;
        var tag = ReadVarint();
        Field = (int)(tag >> 3);
        _type = (int)(tag & 7);
        if (tag >> 3 is 0 or > int.MaxValue)
            throw Wrong("this is no protobuf message: a field's number is wrong");
        return true;
    }

    /// <summary>A message within this one.</summary>
    public ProtoReader Message()
    {
        var bytes = Bytes();
        return new ProtoReader(bytes, start + _position - bytes.Length);
    }

    public ReadOnlySpan<byte> Bytes()
    {
        Expect(2);
        var length = ReadVarint();
        if (length > (ulong)(_message.Length - _position))
            throw Wrong($"a field of {length} bytes goes past the end");
        var bytes = _message.Slice(_position, (int)length);
        _position += (int)length;
        return bytes;
    }

    public string Text() => Encoding.UTF8.GetString(Bytes());

    public long Integer()
    {
        Expect(0);
        return (long)ReadVarint();
    }

    public float Single()
    {
        Expect(5);
        return BinaryPrimitives.ReadSingleLittleEndian(Take(4));
    }

    /// <summary>Adds whole numbers, packed or a single one.</summary>
    public void AddIntegers(List<long> values)
    {
        if (_type != 2)
        {
            values.Add(Integer());
            return;
        }

        var packed = Message();
        while (packed._position < packed._message.Length)
            values.Add((long)packed.ReadVarint());
    }

    /// <summary>Adds numbers in single precision, packed or a single one.</summary>
    public void AddSingles(List<double> values)
    {
        if (_type != 2)
        {
            values.Add(Single());
            return;
        }

        foreach (var value in Packed<float>())
            values.Add(value);
    }

    /// <summary>Adds numbers in double precision, packed or a single one.</summary>
    public void AddDoubles(List<double> values)
    {
        if (_type == 2)
        {
            values.AddRange(Packed<double>());
            return;
        }

        Expect(1);
        values.Add(BinaryPrimitives.ReadDoubleLittleEndian(Take(8)));
    }

    public void Skip()
    {
        switch (_type)
        {
            case 0: ReadVarint(); break;
            case 1: Take(8); break;
            case 2: Bytes(); break;
            case 5: Take(4); break;
            default: throw Wrong($"this is no protobuf message: field {Field} has type {_type}");
        }
    }

    public readonly ForestFormatException Wrong(string reason) => ForestFormatException.At(Position, reason);

    private ReadOnlySpan<T> Packed<T>()
        where T : unmanaged
    {
        var bytes = Bytes();
        var size = Marshal.SizeOf<T>();
        return bytes.Length % size == 0 ? MemoryMarshal.Cast<byte, T>(bytes) : throw Wrong($"{bytes.Length} bytes are no numbers of {size}");
    }

    private readonly void Expect(int type)
    {
        if (_type != type)
            throw Wrong($"this is no ONNX model: field {Field} has type {_type}, not {type}");
    }

    private ulong ReadVarint()
    {
        var value = 0UL;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var next = Take(1)[0];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80)
                return value;
        }

        throw Wrong("a number has no end");
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _message.Length - _position)
            throw Wrong("the file ends");
        var taken = _message.Slice(_position, count);
        _position += count;
        return taken;
    }
}
