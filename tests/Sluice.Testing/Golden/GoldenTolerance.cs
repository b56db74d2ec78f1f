using System.Runtime.InteropServices;
using System.Text.Json;
using Sluice.Tensors;

namespace Sluice.Testing;

/// <summary>How far a result may lie from the expected one: |a - e| &lt;= abs + rel * |e|, or not at all.</summary>
public sealed record GoldenTolerance(bool IsExact, double Absolute, double Relative)
{
    /// <summary>Compares a tensor.</summary>
    /// <returns>Null when it agrees, else the first difference.</returns>
    public string? FindDifference(GoldenTensor expected, DataType type, in Shape shape, ReadOnlySpan<byte> data)
    {
        if (type != expected.DataType) return $"{expected.Name}: type {type}, expected {expected.DataType}";
        if (shape != expected.Shape) return $"{expected.Name}: shape {shape}, expected {expected.Shape}";
        if (data.Length != expected.Data.Length)
            return $"{expected.Name}: {data.Length} bytes, expected {expected.Data.Length}";
        return type switch
        {
            DataType.Fp32 => Compare<float>(expected, data, value => value),
            DataType.Fp64 => Compare<double>(expected, data, value => value),
            DataType.Fp16 => Compare<Half>(expected, data, value => (double)value),
            _ => CompareBits(expected, data),
        };
    }

    /// <summary>Reads a rule of an <c>about.json</c>.</summary>
    public static GoldenTolerance Read(JsonElement rule) =>
        rule.GetProperty("mode").GetString() == "bit_exact"
            ? new GoldenTolerance(true, 0, 0)
            : new GoldenTolerance(false, rule.GetProperty("abs").GetDouble(), rule.GetProperty("rel").GetDouble());

    private static string? CompareBits(GoldenTensor expected, ReadOnlySpan<byte> data)
    {
        var at = data.CommonPrefixLength(expected.Data);
        return at == data.Length ? null : $"{expected.Name}: byte {at} is {data[at]}, expected {expected.Data[at]}";
    }

    private string? Compare<T>(GoldenTensor expected, ReadOnlySpan<byte> data, Func<T, double> toDouble)
        where T : unmanaged
    {
        if (IsExact && data.SequenceEqual(expected.Data)) return null;
        var actual = MemoryMarshal.Cast<byte, T>(data);
        var wanted = MemoryMarshal.Cast<byte, T>(expected.Data);
        for (var i = 0; i < actual.Length; i++)
        {
            var a = toDouble(actual[i]);
            var e = toDouble(wanted[i]);

            // Bit-exact allows NaN = NaN of other bits, and nothing else: 0 and -0 differ.
            if (double.IsNaN(a) && double.IsNaN(e)) continue;
            var agrees = IsExact ? actual[i].Equals(wanted[i]) && double.IsNegative(a) == double.IsNegative(e)
                : a == e || Math.Abs(a - e) <= Absolute + (Relative * Math.Abs(e));
            if (!agrees) return $"{expected.Name}: element {i} is {a:R}, expected {e:R}";
        }

        return null;
    }
}
