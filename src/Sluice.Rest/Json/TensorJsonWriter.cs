using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using Sluice.Inference;
using Sluice.Rest.Calls;
using Sluice.Tensors;

namespace Sluice.Rest.Json;

/// <summary>Writes a tensor as a flat JSON array; floating point as the shortest text that reads back equal.</summary>
/// <remarks>JSON has no NaN or infinity; they go as the strings that <see cref="TensorJsonReader"/> takes.</remarks>
internal static class TensorJsonWriter
{
    private const int SpanSize = 4096;

    public static void Write(ResponseBuffer output, DataType type, ReadOnlySpan<byte> data, string name)
    {
        output.WriteRaw("["u8);
        WriteElements(output, type, data, name);
        output.WriteRaw("]"u8);
    }

    /// <summary>Writes the elements, between commas, without the brackets around them.</summary>
    public static void WriteElements(ResponseBuffer output, DataType type, ReadOnlySpan<byte> data, string name)
    {
        switch (type)
        {
            case DataType.Bool:
                WriteBools(output, data);
                break;
            case DataType.UInt8:
                WriteNumbers<byte>(output, data);
                break;
            case DataType.UInt16:
                WriteNumbers<ushort>(output, data);
                break;
            case DataType.UInt32:
                WriteNumbers<uint>(output, data);
                break;
            case DataType.UInt64:
                WriteNumbers<ulong>(output, data);
                break;
            case DataType.Int8:
                WriteNumbers<sbyte>(output, data);
                break;
            case DataType.Int16:
                WriteNumbers<short>(output, data);
                break;
            case DataType.Int32:
                WriteNumbers<int>(output, data);
                break;
            case DataType.Int64:
                WriteNumbers<long>(output, data);
                break;
            case DataType.Fp32:
                WriteNumbers<float>(output, data);
                break;
            case DataType.Fp64:
                WriteNumbers<double>(output, data);
                break;
            case DataType.Bytes:
                WriteStrings(output, data);
                break;
            default:
                throw InferenceException.Invalid(
                    $"sending {type.WireName()} data via JSON is not supported. Please use the binary data format for output " +
                    $"'{name}'");
        }
    }

    private static void WriteNumbers<T>(ResponseBuffer output, ReadOnlySpan<byte> data)
        where T : unmanaged, INumberBase<T>
    {
        var values = MemoryMarshal.Cast<byte, T>(data);
        var span = output.GetSpan(SpanSize);
        var used = 0;
        for (var i = 0; i < values.Length; i++)
        {
            if (span.Length - used <= RealText.MaxLength)
            {
                output.Advance(used);
                span = output.GetSpan(SpanSize);
                used = 0;
            }

            if (i > 0)
                span[used++] = (byte)',';
            used += Format(values[i], span[used..]);
        }

        output.Advance(used);
    }

    private static int Format<T>(T value, Span<byte> target)
        where T : unmanaged, INumberBase<T>
    {
        if (T.IsFinite(value))
            return RealText.Format(value, target);

        var word = T.IsNaN(value) ? "\"NaN\""u8 : T.IsNegative(value) ? "\"-Infinity\""u8 : "\"Infinity\""u8;
        word.CopyTo(target);
        return word.Length;
    }

    private static void WriteBools(ResponseBuffer output, ReadOnlySpan<byte> data)
    {
        for (var i = 0; i < data.Length; i++)
        {
            if (i > 0)
                output.WriteRaw(","u8);
            output.WriteRaw(data[i] != 0 ? "true"u8 : "false"u8);
        }
    }

    private static void WriteStrings(ResponseBuffer output, ReadOnlySpan<byte> data)
    {
        for (var isFirst = true; data.Length >= 4; isFirst = false)
        {
            if (!isFirst)
                output.WriteRaw(","u8);
            var length = BinaryPrimitives.ReadInt32LittleEndian(data);
            output.WriteJsonString(data.Slice(4, length));
            data = data[(4 + length)..];
        }
    }
}
