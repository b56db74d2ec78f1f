using Sluice.Inference;
using Sluice.Protocol.Wire;

namespace Sluice.Protocol.Codec;

/// <summary>Writes the parameters of an output that lies in shared memory (spec §1.5).</summary>
/// <remarks>Grammar: field <c>4 { 1 key, 2 { 2 int64 | 3 string } }</c> per parameter; an offset of 0 is left out.</remarks>
internal static class SharedPlaceWriter
{
    private const byte TagParameter = 0x22;
    private const byte TagKey = 0x0A;
    private const byte TagValue = 0x12;
    private const byte TagInt64 = 0x10;
    private const byte TagString = 0x1A;

    private static ReadOnlySpan<byte> Region => "shared_memory_region"u8;

    private static ReadOnlySpan<byte> ByteSize => "shared_memory_byte_size"u8;

    private static ReadOnlySpan<byte> Offset => "shared_memory_offset"u8;

    public static int Measure(InferRequest request, int number)
    {
        ref var place = ref request.Placement.Tensors[number - 1];
        return Entry(Region.Length, WireWriter.FieldSize(place.Region.Length)) +
            Entry(ByteSize.Length, 1 + WireWriter.VarintSize((ulong)place.WrittenLength)) +
            (place.Offset == 0 ? 0 : Entry(Offset.Length, 1 + WireWriter.VarintSize((ulong)place.Offset)));
    }

    public static void Write(ref WireWriter writer, InferRequest request, int number)
    {
        ref var place = ref request.Placement.Tensors[number - 1];
        var name = request.Text(place.Region);
        WriteHead(ref writer, Region, WireWriter.FieldSize(name.Length));
        writer.WriteField(TagString, name);
        WriteNumber(ref writer, ByteSize, place.WrittenLength);
        if (place.Offset != 0)
            WriteNumber(ref writer, Offset, place.Offset);
    }

    private static int Entry(int keyLength, int valueLength) =>
        WireWriter.FieldSize(WireWriter.FieldSize(keyLength) + WireWriter.FieldSize(valueLength));

    private static void WriteNumber(ref WireWriter writer, ReadOnlySpan<byte> key, long value)
    {
        WriteHead(ref writer, key, 1 + WireWriter.VarintSize((ulong)value));
        writer.WriteByte(TagInt64);
        writer.WriteVarint((ulong)value);
    }

    private static void WriteHead(ref WireWriter writer, ReadOnlySpan<byte> key, int valueLength)
    {
        writer.WriteByte(TagParameter);
        writer.WriteVarint((ulong)(WireWriter.FieldSize(key.Length) + WireWriter.FieldSize(valueLength)));
        writer.WriteField(TagKey, key);
        writer.WriteByte(TagValue);
        writer.WriteVarint((ulong)valueLength);
    }
}
