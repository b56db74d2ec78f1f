using Sluice.Protocol.Inference;

namespace Sluice.Control.Reconciler;

/// <summary>The element types of a configuration by numpy's names.</summary>
public static class NumpyTypes
{
    /// <summary>Finds a type.</summary>
    /// <param name="name">Such as <c>float32</c>; case does not matter.</param>
    /// <param name="type">The type; invalid when there is none of that name.</param>
    public static bool TryParse(string name, out DataType type)
    {
        type = name.Trim().ToLowerInvariant() switch
        {
            "bool" or "bool_" => DataType.TypeBool,
            "uint8" or "ubyte" => DataType.TypeUint8,
            "uint16" or "ushort" => DataType.TypeUint16,
            "uint32" or "uintc" => DataType.TypeUint32,
            "uint64" or "uint" => DataType.TypeUint64,
            "int8" or "byte" => DataType.TypeInt8,
            "int16" or "short" => DataType.TypeInt16,
            "int32" or "intc" => DataType.TypeInt32,
            "int64" or "int" or "long" => DataType.TypeInt64,
            "float16" or "half" => DataType.TypeFp16,
            "float32" or "single" => DataType.TypeFp32,
            "float64" or "float" or "double" => DataType.TypeFp64,
            "bfloat16" => DataType.TypeBf16,
            "object" or "object_" or "str" or "str_" or "string" or "bytes" or "bytes_" => DataType.TypeString,
            _ => DataType.TypeInvalid,
        };
        return type != DataType.TypeInvalid;
    }
}
