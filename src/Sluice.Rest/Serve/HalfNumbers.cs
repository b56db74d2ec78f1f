using Sluice.Tensors;

namespace Sluice.Rest.Serve;

/// <summary>Turns the two 16-bit floating point types into single precision and back, to the nearest, ties to even.</summary>
internal static class HalfNumbers
{
    /// <param name="value">Any.</param>
    /// <param name="type">FP16 or BF16.</param>
    public static ushort FromSingle(float value, DataType type)
    {
        if (type == DataType.Fp16)
            return BitConverter.HalfToUInt16Bits((Half)value);
        var bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
            return (ushort)((bits >> 16) | 0x40);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    /// <param name="bits">Of the type.</param>
    /// <param name="type">FP16 or BF16.</param>
    public static float ToSingle(ushort bits, DataType type) => type == DataType.Fp16
        ? (float)BitConverter.UInt16BitsToHalf(bits)
        : BitConverter.UInt32BitsToSingle((uint)bits << 16);
}
