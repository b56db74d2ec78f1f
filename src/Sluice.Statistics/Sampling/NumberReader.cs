using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using Sluice.Tensors;

namespace Sluice.Statistics.Sampling;

/// <summary>Reads the elements of a tensor as 64-bit numbers.</summary>
internal static class NumberReader
{
    /// <summary>Gives each element away.</summary>
    /// <returns>False when elements of the type are no numbers.</returns>
    public static bool Read<TState>(DataType type, ReadOnlySpan<byte> bytes, TState state, Action<TState, double> take)
    {
        switch (type)
        {
            case DataType.Bool or DataType.UInt8:
                Read<byte, TState>(bytes, state, take);
                return true;
            case DataType.UInt16:
                Read<ushort, TState>(bytes, state, take);
                return true;
            case DataType.UInt32:
                Read<uint, TState>(bytes, state, take);
                return true;
            case DataType.UInt64:
                Read<ulong, TState>(bytes, state, take);
                return true;
            case DataType.Int8:
                Read<sbyte, TState>(bytes, state, take);
                return true;
            case DataType.Int16:
                Read<short, TState>(bytes, state, take);
                return true;
            case DataType.Int32:
                Read<int, TState>(bytes, state, take);
                return true;
            case DataType.Int64:
                Read<long, TState>(bytes, state, take);
                return true;
            case DataType.Fp16:
                Read<Half, TState>(bytes, state, take);
                return true;
            case DataType.Bf16:
                foreach (var bits in MemoryMarshal.Cast<byte, ushort>(bytes))
                    take(state, BitConverter.UInt32BitsToSingle((uint)bits << 16));
                return true;
            case DataType.Fp32:
                foreach (var value in MemoryMarshal.Cast<byte, float>(bytes))
                    take(state, AsWritten(value));
                return true;
            case DataType.Fp64:
                Read<double, TState>(bytes, state, take);
                return true;
            default:
                return false;
        }
    }

    private static void Read<T, TState>(ReadOnlySpan<byte> bytes, TState state, Action<TState, double> take)
        where T : unmanaged, INumberBase<T>
    {
        foreach (var value in MemoryMarshal.Cast<byte, T>(bytes))
            take(state, double.CreateChecked(value));
    }

    /// <summary>A 32-bit number is what it is written as: 0.1, not 0.10000000149, so that it falls where bounds say.</summary>
    private static double AsWritten(float value) => float.IsFinite(value)
        ? double.Parse(value.ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture)
        : value;
}
