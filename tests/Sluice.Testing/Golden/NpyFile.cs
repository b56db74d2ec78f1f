using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Sluice.Tensors;

namespace Sluice.Testing;

/// <summary>A tensor in numpy's file format: row-major, little-endian.</summary>
public sealed partial record NpyFile(DataType DataType, long[] Shape, byte[] Data)
{
    private static ReadOnlySpan<byte> Magic => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    public static NpyFile Read(string path)
    {
        var bytes = File.ReadAllBytes(path);
        if (!bytes.AsSpan().StartsWith(Magic)) throw new InvalidDataException($"{path} is no .npy file.");

        // Version 1 has a 16-bit header length, later ones a 32-bit one.
        var isFirst = bytes[6] == 1;
        var start = isFirst ? 10 : 12;
        var length = isFirst
            ? BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(8))
            : BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(8));
        var header = Encoding.UTF8.GetString(bytes, start, length);
        if (header.Contains("'fortran_order': True", StringComparison.Ordinal))
        {
            throw new NotSupportedException($"{path} is column-major.");
        }

        var type = ToDataType(Description().Match(header).Groups[1].Value);
        var shape = Dimensions().Match(header).Groups[1].Value
            .Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Select(text => long.Parse(text, CultureInfo.InvariantCulture));
        return new NpyFile(type, [.. shape], bytes[(start + length)..]);
    }

    private static DataType ToDataType(string description) => description switch
    {
        "|b1" => DataType.Bool,
        "|u1" => DataType.UInt8,
        "<u2" => DataType.UInt16,
        "<u4" => DataType.UInt32,
        "<u8" => DataType.UInt64,
        "|i1" => DataType.Int8,
        "<i2" => DataType.Int16,
        "<i4" => DataType.Int32,
        "<i8" => DataType.Int64,
        "<f2" => DataType.Fp16,
        "<f4" => DataType.Fp32,
        "<f8" => DataType.Fp64,
        _ => throw new NotSupportedException($"numpy type {description}"),
    };

    [GeneratedRegex("'descr': '([^']+)'")]
    private static partial Regex Description();

    [GeneratedRegex(@"'shape': \(([^)]*)\)")]
    private static partial Regex Dimensions();
}
