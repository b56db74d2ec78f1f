using System.Buffers.Binary;
using System.Text;
using Sluice.Tensors;

namespace Sluice.Backends.Python.Wire;

/// <summary>Reads a frame. Whatever does not fit in it throws: a worker is not trusted.</summary>
internal ref struct FrameReader(ReadOnlySpan<byte> frame)
{
    private readonly ReadOnlySpan<byte> _frame = frame;
    private int _at = Frames.HeadBytes;

    /// <summary>Bytes not read yet.</summary>
    public readonly int Left => _frame.Length - _at;

    public byte U8() => Take(1)[0];

    public ushort U16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    public uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong U64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    public void Skip(int count) => Take(count);

    public string Text(uint length) => Encoding.UTF8.GetString(Bytes(length));

    /// <summary>A text with its length before it.</summary>
    public string Text() => Text(U16());

    public ReadOnlySpan<byte> Bytes(uint length) =>
        length <= Left ? Take((int)length) : throw new WireException($"a frame of {_frame.Length} bytes lacks {length - Left}");

    public ReadOnlySpan<byte> Rest() => Take(Left);

    /// <summary>Data that stands elsewhere in the frame.</summary>
    public readonly ReadOnlySpan<byte> Data(ulong offset, ulong length) =>
        offset <= (ulong)_frame.Length && length <= (ulong)_frame.Length - offset
            ? _frame.Slice((int)offset, (int)length)
            : throw new WireException($"data at {offset} of {length} bytes is not in a frame of {_frame.Length}");

    /// <summary>Reads a tensor's description, checked for sense.</summary>
    public TensorPlace Tensor()
    {
        var type = (DataType)U8();
        var rank = U8();
        var place = U8();
        Skip(1);
        var index = U32();
        var (offset, length) = (U64(), U64());
        if (type is <= DataType.Invalid or > DataType.Bf16 || rank >= Shape.MaxRank || place > Frames.Inline || length > int.MaxValue)
            throw new WireException($"a tensor of type {(int)type}, rank {rank}, place {place} and {length} bytes");
        Span<long> dims = stackalloc long[rank];
        for (var i = 0; i < rank; i++)
            dims[i] = (long)U64();
        var shape = Shape.Create(dims);
        if (!shape.TryGetElementCount(out var count) ||
            (type != DataType.Bytes && (!shape.TryGetByteSize(type, out var bytes) || (ulong)bytes != length)))
            throw new WireException($"a tensor of shape {shape} and {length} bytes");
        return new TensorPlace(type, shape, place, index, offset, (int)length, count);
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if ((uint)count > (uint)Left)
            throw new WireException($"a frame of {_frame.Length} bytes is too short");
        var taken = _frame.Slice(_at, count);
        _at += count;
        return taken;
    }
}

/// <summary>A tensor's description in a frame.</summary>
/// <param name="Type">Element type.</param>
/// <param name="Shape">All dimensions.</param>
/// <param name="Place">Where its bytes are.</param>
/// <param name="Index">Number in the configuration, or length of the name.</param>
/// <param name="Offset">First byte there.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Count">Elements.</param>
internal readonly record struct TensorPlace(
    DataType Type, Shape Shape, byte Place, uint Index, ulong Offset, int Length, long Count);

/// <summary>A worker sent what no worker sends.</summary>
internal sealed class WireException(string message) : Exception(message);
