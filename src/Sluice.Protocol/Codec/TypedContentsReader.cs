using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using Sluice.Inference;
using Sluice.Protocol.Wire;
using Sluice.Tensors;

namespace Sluice.Protocol.Codec;

/// <summary>Decodes <c>InferTensorContents</c> into the raw form (spec §1.5, table of datatypes).</summary>
/// <remarks>
/// <para>Grammar: <c>1 bool, 2 int32, 3 int64, 4 uint32, 5 uint64, 6 float, 7 double, 8 bytes</c>, all repeated, scalars packed
/// or not. Only the field that belongs to the tensor's datatype may hold elements.</para>
/// <para>Floats that came as one packed list already are the raw form and stay where they are. Everything else is decoded in
/// two passes: count, rent exactly that much, fill.</para>
/// </remarks>
internal static class TypedContentsReader
{
    private static readonly DataType[] FieldTypes =
    [
        DataType.Invalid, DataType.Bool, DataType.Int32, DataType.Int64, DataType.UInt32, DataType.UInt64,
        DataType.Fp32, DataType.Fp64, DataType.Bytes,
    ];

    public static void Read(
        in ReadOnlySequence<byte> contents, InferRequest request, ref InputTensor input, TensorBufferPool pool)
    {
        var expected = FieldOf(input.DataType);
        var byteLength = Measure(in contents, request, in input, expected, out var whole);
        if (byteLength == 0)
            return;
        input.HasData = true;
        if (input.DataType is DataType.Fp32 or DataType.Fp64 && whole.Length == byteLength)
        {
            input.Data = whole;
            return;
        }

        if (byteLength > int.MaxValue || !pool.TryRent((int)byteLength, out var buffer))
            throw new InferenceException(
                InferenceCode.ResourceExhausted,
                $"input '{request.TextString(input.Name)}' of {byteLength} bytes does not fit the server's tensor memory now");
        input.Owned = buffer;
        Fill(in contents, expected, input.DataType, buffer.GetSpan());
        input.Data = new ReadOnlySequence<byte>(buffer.Memory);
    }

    internal static int FieldOf(DataType type) => type switch
    {
        DataType.Bool => 1,
        DataType.Int8 or DataType.Int16 or DataType.Int32 => 2,
        DataType.Int64 => 3,
        DataType.UInt8 or DataType.UInt16 or DataType.UInt32 => 4,
        DataType.UInt64 => 5,
        DataType.Fp32 => 6,
        DataType.Fp64 => 7,
        DataType.Bytes => 8,
        _ => 0,
    };

    /// <summary>Tells elements from unknown fields that only share their number, as the generated code does.</summary>
    private static bool IsElement(int field, WireType type) => type == WireType.LengthDelimited || type == field switch
    {
        6 => WireType.Fixed32,
        7 => WireType.Fixed64,
        8 => WireType.LengthDelimited,
        _ => WireType.Varint,
    };

    /// <summary>Counts the bytes of the raw form; <paramref name="whole"/> is the last packed list.</summary>
    private static long Measure(
        in ReadOnlySequence<byte> contents, InferRequest request, in InputTensor input, int expected,
        out ReadOnlySequence<byte> whole)
    {
        whole = default;
        long byteLength = 0;
        var fields = 0;
        var elementSize = input.DataType.ElementSize();
        var reader = new WireReader(in contents);
        while (reader.TryReadTag(out var field, out var type))
        {
            if (field is < 1 or > 8 || !IsElement(field, type))
            {
                reader.Skip(type);
                continue;
            }

            if (field == 8)
            {
                fields |= 1 << field;
                var length = reader.ReadLength();
                byteLength += sizeof(uint) + length;
                reader.Advance(length);
            }
            else if (type == WireType.LengthDelimited)
            {
                var list = reader.ReadBytes();
                if (list.Length > 0)
                    fields |= 1 << field;
                whole = list;
                byteLength += CountPacked(in list, field) * elementSize;
            }
            else
            {
                fields |= 1 << field;
                reader.Skip(type);
                byteLength += elementSize;
            }
        }

        if (fields != 0 && fields != 1 << expected)
            throw Unexpected(BitOperations.TrailingZeroCount(fields), expected, request, in input);
        return byteLength;
    }

    private static long CountPacked(in ReadOnlySequence<byte> list, int field)
    {
        var width = field switch { 6 => 4, 7 => 8, _ => 0 };
        if (width > 0)
            return list.Length % width == 0 ? list.Length / width : throw new WireFormatException("a packed list is cut off");
        long count = 0;
        var lastIsWhole = true;
        foreach (var segment in list)
        {
            foreach (var next in segment.Span)
            {
                lastIsWhole = next < 0x80;
                count += lastIsWhole ? 1 : 0;
            }
        }

        return lastIsWhole ? count : throw new WireFormatException("a packed list is cut off");
    }

    private static void Fill(in ReadOnlySequence<byte> contents, int expected, DataType type, Span<byte> destination)
    {
        var reader = new WireReader(in contents);
        while (reader.TryReadTag(out var field, out var wireType))
        {
            if (field != expected || !IsElement(field, wireType))
            {
                reader.Skip(wireType);
            }
            else if (field == 8)
            {
                var length = reader.ReadLength();
                BinaryPrimitives.WriteInt32LittleEndian(destination, length);
                reader.ReadExactly(destination.Slice(sizeof(int), length));
                destination = destination[(sizeof(int) + length)..];
            }
            else if (wireType == WireType.LengthDelimited)
            {
                var outer = reader.Enter();
                while (reader.Remaining > 0)
                    destination = destination[FillOne(ref reader, type, destination)..];
                reader.Leave(outer);
            }
            else
            {
                destination = destination[FillOne(ref reader, type, destination)..];
            }
        }
    }

    /// <summary>Writes one element; 8 and 16 bit types take the low bytes of the 32-bit field.</summary>
    private static int FillOne(ref WireReader reader, DataType type, scoped Span<byte> destination)
    {
        var size = type.ElementSize();
        Span<byte> element = stackalloc byte[sizeof(ulong)];
        var bits = type switch
        {
            DataType.Fp32 => reader.ReadFixed32(),
            DataType.Fp64 => reader.ReadFixed64(),
            DataType.Bool => reader.ReadVarint() != 0 ? 1UL : 0UL,
            _ => reader.ReadVarint(),
        };
        BinaryPrimitives.WriteUInt64LittleEndian(element, bits);
        element[..size].CopyTo(destination);
        return size;
    }

    /// <summary>Fields are looked at in the order of their numbers: one of a wrong type, or a second one, is refused.</summary>
    private static InferenceException Unexpected(int first, int expected, InferRequest request, in InputTensor input)
    {
        var start = $"unexpected explicit tensor data for input tensor '{request.TextString(input.Name)}' for model " +
            $"'{request.TextString(request.ModelName)}'";
        return InferenceException.Invalid(first == expected
            ? $"{start}, binary data was already supplied."
            : $"{start} of type '{FieldTypes[first].WireName()}', expected datatype '{input.DataType.WireName()}'");
    }
}
