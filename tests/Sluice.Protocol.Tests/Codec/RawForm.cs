using System.Buffers.Binary;
using Sluice.Protocol.Inference;
using Sluice.Tensors;
using DataType = Sluice.Tensors.DataType;
using InputMessage = Sluice.Protocol.Inference.ModelInferRequest.Types.InferInputTensor;

namespace Sluice.Protocol.Tests;

/// <summary>The raw bytes that typed contents stand for, written down a second time from the table of spec §1.5.</summary>
internal static class RawForm
{
    public static byte[] Of(InputMessage input)
    {
        var contents = input.Contents ?? new InferTensorContents();
        Assert.True(DataTypes.TryParse(input.Datatype, out var type));
        return type switch
        {
            DataType.Bool => Join(contents.BoolContents, value => [value ? (byte)1 : (byte)0]),
            DataType.Int8 => Join(contents.IntContents, value => [(byte)(sbyte)value]),
            DataType.Int16 => Join(contents.IntContents, value => BitConverter.GetBytes((short)value)),
            DataType.Int32 => Join(contents.IntContents, BitConverter.GetBytes),
            DataType.Int64 => Join(contents.Int64Contents, BitConverter.GetBytes),
            DataType.UInt8 => Join(contents.UintContents, value => [(byte)value]),
            DataType.UInt16 => Join(contents.UintContents, value => BitConverter.GetBytes((ushort)value)),
            DataType.UInt32 => Join(contents.UintContents, BitConverter.GetBytes),
            DataType.UInt64 => Join(contents.Uint64Contents, BitConverter.GetBytes),
            DataType.Fp32 => Join(contents.Fp32Contents, BitConverter.GetBytes),
            DataType.Fp64 => Join(contents.Fp64Contents, BitConverter.GetBytes),
            DataType.Bytes => Join(contents.BytesContents, value => [.. Length(value.Length), .. value.ToByteArray()]),
            _ => throw new InvalidOperationException($"{type} has no typed form"),
        };
    }

    private static byte[] Join<T>(IEnumerable<T> values, Func<T, byte[]> convert) => [.. values.SelectMany(convert)];

    private static byte[] Length(int length)
    {
        var bytes = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, length);
        return bytes;
    }
}
