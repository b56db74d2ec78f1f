using System.Runtime.CompilerServices;
using Sluice.Tensors;

namespace Sluice.Protocol.Codec;

/// <summary>Says which .NET type holds an element of which datatype.</summary>
public static class ElementTypes
{
    /// <summary>Returns the datatype whose elements look like <typeparamref name="T"/>.</summary>
    /// <exception cref="NotSupportedException">No datatype has such elements.</exception>
    public static DataType Of<T>()
        where T : unmanaged
    {
        if (typeof(T) == typeof(float)) return DataType.Fp32;
        if (typeof(T) == typeof(int)) return DataType.Int32;
        if (typeof(T) == typeof(long)) return DataType.Int64;
        if (typeof(T) == typeof(double)) return DataType.Fp64;
        if (typeof(T) == typeof(byte)) return DataType.UInt8;
        if (typeof(T) == typeof(bool)) return DataType.Bool;
        if (typeof(T) == typeof(Half)) return DataType.Fp16;
        if (typeof(T) == typeof(sbyte)) return DataType.Int8;
        if (typeof(T) == typeof(short)) return DataType.Int16;
        if (typeof(T) == typeof(ushort)) return DataType.UInt16;
        if (typeof(T) == typeof(uint)) return DataType.UInt32;
        if (typeof(T) == typeof(ulong)) return DataType.UInt64;
        throw new NotSupportedException($"no datatype has elements of type {typeof(T)}");
    }

    /// <summary>Tells whether elements of a datatype can be seen as <typeparamref name="T"/>; BF16 as its bits, <c>ushort</c>.</summary>
    public static bool Fits<T>(DataType type)
        where T : unmanaged =>
        type == DataType.Bf16
            ? typeof(T) == typeof(ushort)
            : type.ElementSize() == Unsafe.SizeOf<T>() && Of<T>() == type;
}
