using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>Turns golden tensors into the JSON of the HTTP protocol and back, written apart from the server's own code.</summary>
internal static class HttpTensors
{
    /// <summary>FP16 and BF16 have no JSON form.</summary>
    public static bool HasJson(DataType type) => type is not (DataType.Fp16 or DataType.Bf16);

    public static string ToJson(GoldenTensor tensor)
    {
        var data = tensor.Data.AsSpan();
        return tensor.DataType switch
        {
            DataType.Bool => Join<byte>(data, value => value != 0 ? "true" : "false"),
            DataType.UInt8 => Join<byte>(data, Number),
            DataType.UInt16 => Join<ushort>(data, Number),
            DataType.UInt32 => Join<uint>(data, Number),
            DataType.UInt64 => Join<ulong>(data, Number),
            DataType.Int8 => Join<sbyte>(data, Number),
            DataType.Int16 => Join<short>(data, Number),
            DataType.Int32 => Join<int>(data, Number),
            DataType.Int64 => Join<long>(data, Number),
            DataType.Fp32 => Join<float>(data, value => float.IsFinite(value) ? Number(value) : $"\"{Number(value)}\""),
            DataType.Fp64 => Join<double>(data, value => double.IsFinite(value) ? Number(value) : $"\"{Number(value)}\""),
            DataType.Bytes => $"[{string.Join(',', Strings(tensor.Data).Select(text => JsonSerializer.Serialize(Encoding.UTF8.GetString(text))))}]",
            _ => throw new ArgumentOutOfRangeException(nameof(tensor)),
        };
    }

    public static byte[] FromJson(DataType type, JsonElement data)
    {
        var items = data.EnumerateArray();
        return type switch
        {
            DataType.Bool => [.. items.Select(item => item.GetBoolean() ? (byte)1 : (byte)0)],
            DataType.UInt8 => [.. items.Select(item => item.GetByte())],
            DataType.UInt16 => Raw(items.Select(item => item.GetUInt16())),
            DataType.UInt32 => Raw(items.Select(item => item.GetUInt32())),
            DataType.UInt64 => Raw(items.Select(item => item.GetUInt64())),
            DataType.Int8 => Raw(items.Select(item => item.GetSByte())),
            DataType.Int16 => Raw(items.Select(item => item.GetInt16())),
            DataType.Int32 => Raw(items.Select(item => item.GetInt32())),
            DataType.Int64 => Raw(items.Select(item => item.GetInt64())),
            DataType.Fp32 => Raw(items.Select(item => float.Parse(item.ToString(), CultureInfo.InvariantCulture))),
            DataType.Fp64 => Raw(items.Select(item => double.Parse(item.ToString(), CultureInfo.InvariantCulture))),
            DataType.Bytes => [.. items.SelectMany(item => Prefixed(Encoding.UTF8.GetBytes(item.GetString()!)))],
            _ => throw new ArgumentOutOfRangeException(nameof(type)),
        };
    }

    /// <summary>Takes rows of the first dimension.</summary>
    public static GoldenTensor Rows(GoldenTensor tensor, int start, int count)
    {
        var rowElements = (int)tensor.Dims[1..].Aggregate(1L, (product, dim) => product * dim);
        byte[] data;
        if (tensor.DataType == DataType.Bytes)
        {
            data = [.. Strings(tensor.Data).Skip(start * rowElements).Take(count * rowElements).SelectMany(Prefixed)];
        }
        else
        {
            var rowBytes = rowElements * tensor.DataType.ElementSize();
            data = tensor.Data[(start * rowBytes)..((start + count) * rowBytes)];
        }

        return tensor with { Dims = [count, .. tensor.Dims[1..]], Data = data };
    }

    private static byte[] Prefixed(byte[] text)
    {
        var bytes = new byte[4 + text.Length];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, text.Length);
        text.CopyTo(bytes, 4);
        return bytes;
    }

    private static IEnumerable<byte[]> Strings(byte[] data)
    {
        for (var at = 0; at < data.Length;)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(data.AsSpan(at));
            yield return data[(at + 4)..(at + 4 + length)];
            at += 4 + length;
        }
    }

    private static string Number<T>(T value)
        where T : IFormattable => value.ToString(null, CultureInfo.InvariantCulture);

    private static string Join<T>(ReadOnlySpan<byte> data, Func<T, string> print)
        where T : unmanaged => $"[{string.Join(',', MemoryMarshal.Cast<byte, T>(data).ToArray().Select(print))}]";

    private static byte[] Raw<T>(IEnumerable<T> values)
        where T : unmanaged => MemoryMarshal.AsBytes<T>(values.ToArray()).ToArray();
}
