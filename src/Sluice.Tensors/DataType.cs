namespace Sluice.Tensors;

/// <summary>Names an element type; the numbers are those of model_config's <c>DataType</c>.</summary>
public enum DataType : byte
{
    /// <summary>No type given.</summary>
    Invalid = 0,

    /// <summary>One byte, 0 or 1.</summary>
    Bool = 1,

    /// <summary>Unsigned, 8 bits.</summary>
    UInt8 = 2,

    /// <summary>Unsigned, 16 bits.</summary>
    UInt16 = 3,

    /// <summary>Unsigned, 32 bits.</summary>
    UInt32 = 4,

    /// <summary>Unsigned, 64 bits.</summary>
    UInt64 = 5,

    /// <summary>Signed, 8 bits.</summary>
    Int8 = 6,

    /// <summary>Signed, 16 bits.</summary>
    Int16 = 7,

    /// <summary>Signed, 32 bits.</summary>
    Int32 = 8,

    /// <summary>Signed, 64 bits.</summary>
    Int64 = 9,

    /// <summary>IEEE 754 binary16.</summary>
    Fp16 = 10,

    /// <summary>IEEE 754 binary32.</summary>
    Fp32 = 11,

    /// <summary>IEEE 754 binary64.</summary>
    Fp64 = 12,

    /// <summary>Elements of any length, each a little-endian <c>uint32</c> length and that many bytes.</summary>
    Bytes = 13,

    /// <summary>The upper 16 bits of a binary32.</summary>
    Bf16 = 14,
}
