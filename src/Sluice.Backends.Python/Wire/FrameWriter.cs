using System.Buffers.Binary;
using System.Text;
using Sluice.Tensors;

namespace Sluice.Backends.Python.Wire;

/// <summary>Writes one frame at a time into memory that is kept.</summary>
/// <remarks><b>Threads.</b> One at a time.</remarks>
internal sealed class FrameWriter
{
    private const int KeptBytes = 256 * 1024;

    private byte[] _bytes = new byte[1024];

    /// <summary>Bytes so far.</summary>
    public int Length { get; private set; }

    /// <summary>Begins a frame.</summary>
    public void Begin(byte kind)
    {
        if (_bytes.Length > KeptBytes)
            _bytes = new byte[1024];
        Length = 0;
        U32(0);
        U32(kind);
    }

    /// <summary>Ends the frame and returns it, lent until the next one begins.</summary>
    public ReadOnlySpan<byte> End()
    {
        BinaryPrimitives.WriteInt32LittleEndian(_bytes, Length);
        return _bytes.AsSpan(0, Length);
    }

    public void U8(byte value) => Take(1)[0] = value;

    public void U16(int value) => BinaryPrimitives.WriteUInt16LittleEndian(Take(2), checked((ushort)value));

    public void U32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Take(4), value);

    public void U64(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Take(8), value);

    /// <summary>Writes bytes that mean nothing.</summary>
    public void Pad(int count) => Take(count).Clear();

    /// <summary>Writes bytes as they are.</summary>
    public void Bytes(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Take(bytes.Length));

    /// <summary>Makes room that the caller fills at once.</summary>
    public Span<byte> Take(int count)
    {
        if (_bytes.Length - Length < count)
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, checked(Length + count)));
        var span = _bytes.AsSpan(Length, count);
        Length += count;
        return span;
    }

    /// <summary>The room at a place that was taken before.</summary>
    public Span<byte> At(int start, int count) => _bytes.AsSpan(start, count);

    /// <summary>Describes a tensor.</summary>
    public void Tensor(DataType type, in Shape shape, byte place, int index, ulong offset, long length)
    {
        U8((byte)type);
        U8((byte)shape.Rank);
        U8(place);
        U8(0);
        U32((uint)index);
        U64(offset);
        U64((ulong)length);
        foreach (var dimension in shape.Dimensions)
            U64((ulong)dimension);
    }

    /// <summary>Writes a text with its length.</summary>
    public void Text(string text)
    {
        var count = Encoding.UTF8.GetByteCount(text);
        U16(count);
        Encoding.UTF8.GetBytes(text, Take(count));
    }
}
