using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Sluice.Protocol.Wire;
using Sluice.Tensors;

namespace Sluice.Protocol.Codec;

/// <summary>Writes <c>InferTensorContents</c> from the raw form; what <see cref="TypedContentsReader"/> reads.</summary>
/// <remarks>Grammar: <c>1 bool, 2 int32, 3 int64, 4 uint32, 5 uint64, 6 float, 7 double</c>, packed, <c>8 bytes</c> repeated.</remarks>
internal static class TypedContentsWriter
{
    /// <summary>Returns the bytes of the whole contents message.</summary>
    /// <exception cref="NotSupportedException">The protocol has no typed field for the datatype.</exception>
    public static int Measure(DataType type, ReadOnlySpan<byte> raw)
    {
        var field = TypedContentsReader.FieldOf(type);
        if (field == 0)
            throw new NotSupportedException($"{type.WireName()} has no typed contents; send it as raw bytes");
        if (raw.IsEmpty)
            return 0;
        if (type != DataType.Bytes)
            return WireWriter.FieldSize(MeasurePacked(type, raw));
        var size = 0;
        while (!raw.IsEmpty)
            size = checked(size + WireWriter.FieldSize(NextElement(ref raw).Length));
        return size;
    }

    public static void Write(ref WireWriter writer, DataType type, ReadOnlySpan<byte> raw)
    {
        var tag = (byte)((TypedContentsReader.FieldOf(type) << 3) | (int)WireType.LengthDelimited);
        if (raw.IsEmpty)
            return;
        if (type == DataType.Bytes)
        {
            while (!raw.IsEmpty)
                writer.WriteField(tag, NextElement(ref raw));
            return;
        }

        writer.WriteByte(tag);
        writer.WriteVarint((ulong)MeasurePacked(type, raw));
        if (type is DataType.Fp32 or DataType.Fp64)
        {
            writer.WriteRaw(raw);
            return;
        }

        var size = type.ElementSize();
        for (; !raw.IsEmpty; raw = raw[size..])
            writer.WriteVarint(ToVarint(type, raw));
    }

    private static int MeasurePacked(DataType type, ReadOnlySpan<byte> raw)
    {
        if (type is DataType.Fp32 or DataType.Fp64)
            return raw.Length;
        var size = type.ElementSize();
        var total = 0;
        for (; !raw.IsEmpty; raw = raw[size..])
            total = checked(total + WireWriter.VarintSize(ToVarint(type, raw)));
        return total;
    }

    /// <summary>Negative numbers are sign-extended to 64 bits, as protobuf's int32 and int64 are.</summary>
    private static ulong ToVarint(DataType type, ReadOnlySpan<byte> raw) => type switch
    {
        DataType.Bool or DataType.UInt8 => raw[0],
        DataType.Int8 => (ulong)(sbyte)raw[0],
        DataType.Int16 => (ulong)MemoryMarshal.Read<short>(raw),
        DataType.UInt16 => MemoryMarshal.Read<ushort>(raw),
        DataType.Int32 => (ulong)MemoryMarshal.Read<int>(raw),
        DataType.UInt32 => MemoryMarshal.Read<uint>(raw),
        _ => MemoryMarshal.Read<ulong>(raw),
    };

    private static ReadOnlySpan<byte> NextElement(scoped ref ReadOnlySpan<byte> raw)
    {
        var length = BinaryPrimitives.ReadInt32LittleEndian(raw);
        var element = raw.Slice(sizeof(int), length);
        raw = raw[(sizeof(int) + length)..];
        return element;
    }
}
