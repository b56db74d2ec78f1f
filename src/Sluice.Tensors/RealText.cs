using System.Globalization;
using System.Numerics;

namespace Sluice.Tensors;

/// <summary>Prints numbers for JSON as the shortest text that reads back equal, and floating point as what it is.</summary>
/// <remarks>Readers take <c>1</c> for a whole number and <c>-0</c> for zero: Python's do, and so does every schema that is inferred.
/// Hence <c>1.0</c> and <c>-0.0</c>, as Triton prints them.</remarks>
public static class RealText
{
    /// <summary>Bytes that every number fits into.</summary>
    public const int MaxLength = 40;

    /// <summary>Prints a finite number.</summary>
    /// <param name="value">A whole number, or a finite one in single or double precision.</param>
    /// <param name="target">At least <see cref="MaxLength"/> bytes.</param>
    /// <returns>Bytes written.</returns>
    public static int Format<T>(T value, Span<byte> target)
        where T : unmanaged, INumberBase<T>
    {
        value.TryFormat(target, out var length, default, CultureInfo.InvariantCulture);
        if ((typeof(T) != typeof(float) && typeof(T) != typeof(double)) || !T.IsInteger(value) || target[..length].Contains((byte)'E'))
            return length;
        ".0"u8.CopyTo(target[length..]);
        return length + 2;
    }
}
