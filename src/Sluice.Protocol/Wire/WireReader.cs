using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Sluice.Protocol.Wire;

/// <summary>The protobuf wire types that occur.</summary>
public enum WireType
{
    /// <summary>Base-128 number.</summary>
    Varint = 0,

    /// <summary>Eight bytes.</summary>
    Fixed64 = 1,

    /// <summary>A length and that many bytes.</summary>
    LengthDelimited = 2,

    /// <summary>Start of a group (deprecated; skipped).</summary>
    StartGroup = 3,

    /// <summary>End of a group.</summary>
    EndGroup = 4,

    /// <summary>Four bytes.</summary>
    Fixed32 = 5,
}

/// <summary>Reads protobuf fields where the bytes lie, be they in one piece or in many.</summary>
/// <remarks>
/// <para>Grammar: <c>message := (tag value)*</c>, <c>tag := varint(field &lt;&lt; 3 | wireType)</c>.</para>
/// <para>Every length is checked against what the enclosing message has left before it is used. Nothing is copied or
/// allocated; slices that are handed out borrow the message's memory.</para>
/// </remarks>
public ref struct WireReader
{
    private const int MaxGroupDepth = 32;

    private readonly ReadOnlySequence<byte> _message;
    private ReadOnlyMemory<byte> _memory;
    private ReadOnlySpan<byte> _span;
    private SequencePosition _next;
    private long _before;
    private int _index;
    private long _end;

    /// <summary>Begins at the first byte of a message.</summary>
    public WireReader(in ReadOnlySequence<byte> message)
    {
        _message = message;
        _end = message.Length;
        _next = message.Start;
        if (message.IsSingleSegment)
        {
            _memory = message.First;
            _span = _memory.Span;
        }
        else
        {
            NextSegment();
        }
    }

    /// <summary>Bytes consumed since the beginning.</summary>
    public readonly long Position => _before + _index;

    /// <summary>Bytes left in the current message.</summary>
    public readonly long Remaining => _end - Position;

    /// <summary>Reads the next tag.</summary>
    /// <param name="field">The field's number, at least 1.</param>
    /// <param name="type">How its value is coded.</param>
    /// <returns>False at the end of the current message.</returns>
    public bool TryReadTag(out int field, out WireType type)
    {
        if (Remaining <= 0)
        {
            field = 0;
            type = default;
            return false;
        }

        var tag = ReadVarint();
        field = (int)(tag >> 3);
        type = (WireType)(tag & 7);
        if (tag > uint.MaxValue || field == 0 || type > WireType.Fixed32)
            throw WireFormatException.BadTag(tag);
        return true;
    }

    /// <summary>Reads a base-128 number of up to 64 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong ReadVarint()
    {
        if (_index < _span.Length && _span[_index] < 0x80 && Position < _end)
            return _span[_index++];
        return ReadLongVarint();
    }

    /// <summary>Reads four bytes.</summary>
    public uint ReadFixed32()
    {
        Span<byte> bytes = stackalloc byte[4];
        ReadExactly(bytes);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    /// <summary>Reads eight bytes.</summary>
    public ulong ReadFixed64()
    {
        Span<byte> bytes = stackalloc byte[8];
        ReadExactly(bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    /// <summary>Reads the length of a length-delimited value, checked against what is left.</summary>
    public int ReadLength()
    {
        var length = ReadVarint();
        if (length > (ulong)Remaining || length > int.MaxValue)
            throw WireFormatException.Truncated();
        return (int)length;
    }

    /// <summary>Enters an embedded message.</summary>
    /// <returns>What <see cref="Leave"/> needs to come back.</returns>
    public long Enter()
    {
        var length = ReadLength();
        var outer = _end;
        _end = Position + length;
        return outer;
    }

    /// <summary>Leaves an embedded message, skipping what was not read of it.</summary>
    public void Leave(long outer)
    {
        Advance(Remaining);
        _end = outer;
    }

    /// <summary>Copies bytes out.</summary>
    public void ReadExactly(scoped Span<byte> destination)
    {
        if (destination.Length > Remaining)
            throw WireFormatException.Truncated();
        while (true)
        {
            var available = Math.Min(_span.Length - _index, destination.Length);
            _span.Slice(_index, available).CopyTo(destination);
            _index += available;
            destination = destination[available..];
            if (destination.IsEmpty)
                return;
            NextSegment();
        }
    }

    /// <summary>Reads a length-delimited value without copying it.</summary>
    /// <returns>A borrowed slice of the message.</returns>
    public ReadOnlySequence<byte> ReadBytes()
    {
        var length = ReadLength();
        if (length <= _span.Length - _index)
        {
            var inPlace = new ReadOnlySequence<byte>(_memory.Slice(_index, length));
            _index += length;
            return inPlace;
        }

        var slice = _message.Slice(Position, length);
        Advance(length);
        return slice;
    }

    /// <summary>Skips a field's value, groups included.</summary>
    public void Skip(WireType type) => Skip(type, 0);

    private void Skip(WireType type, int depth)
    {
        switch (type)
        {
            case WireType.Varint:
                ReadVarint();
                break;
            case WireType.Fixed32:
                Advance(4);
                break;
            case WireType.Fixed64:
                Advance(8);
                break;
            case WireType.LengthDelimited:
                Advance(ReadLength());
                break;
            case WireType.StartGroup when depth < MaxGroupDepth:
                while (true)
                {
                    if (!TryReadTag(out _, out var inner))
                        throw WireFormatException.Truncated();
                    if (inner == WireType.EndGroup)
                        break;
                    Skip(inner, depth + 1);
                }

                break;
            case WireType.StartGroup:
                throw WireFormatException.TooDeep();
            default:
                throw WireFormatException.BadTag((ulong)type);
        }
    }

    private ulong ReadLongVarint()
    {
        ulong value = 0;
        for (var shift = 0; shift < 70; shift += 7)
        {
            var next = ReadByte();
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
                return value;
        }

        throw WireFormatException.BadVarint();
    }

    private byte ReadByte()
    {
        if (Remaining <= 0)
            throw WireFormatException.Truncated();
        while (_index == _span.Length)
            NextSegment();
        return _span[_index++];
    }

    /// <summary>Skips bytes of the current message.</summary>
    public void Advance(long count)
    {
        if (count > Remaining)
            throw WireFormatException.Truncated();
        while (count > _span.Length - _index)
        {
            count -= _span.Length - _index;
            _index = _span.Length;
            NextSegment();
        }

        _index += (int)count;
    }

    private void NextSegment()
    {
        _before += _span.Length;
        _index = 0;
        if (!_message.TryGet(ref _next, out _memory))
            throw WireFormatException.Truncated();
        _span = _memory.Span;
    }
}
