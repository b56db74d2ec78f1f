using System.Collections.Frozen;
using Sluice.Protocol.Inference;

namespace Sluice.Control.Records;

/// <summary>Names of numpy's data types, as far as tensors can have them.</summary>
public static class NumpyTypes
{
    private static readonly FrozenDictionary<string, string> Names = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["bool"] = "bool",
        ["bool_"] = "bool",
        ["bool8"] = "bool",
        ["?"] = "bool",
        ["b1"] = "bool",
        ["int8"] = "int8",
        ["byte"] = "int8",
        ["i1"] = "int8",
        ["int16"] = "int16",
        ["short"] = "int16",
        ["i2"] = "int16",
        ["int32"] = "int32",
        ["intc"] = "int32",
        ["i4"] = "int32",
        ["int64"] = "int64",
        ["int"] = "int64",
        ["int_"] = "int64",
        ["long"] = "int64",
        ["longlong"] = "int64",
        ["i8"] = "int64",
        ["uint8"] = "uint8",
        ["ubyte"] = "uint8",
        ["u1"] = "uint8",
        ["uint16"] = "uint16",
        ["ushort"] = "uint16",
        ["u2"] = "uint16",
        ["uint32"] = "uint32",
        ["uintc"] = "uint32",
        ["u4"] = "uint32",
        ["uint64"] = "uint64",
        ["uint"] = "uint64",
        ["ulong"] = "uint64",
        ["ulonglong"] = "uint64",
        ["u8"] = "uint64",
        ["float16"] = "float16",
        ["half"] = "float16",
        ["f2"] = "float16",
        ["bfloat16"] = "bfloat16",
        ["float32"] = "float32",
        ["single"] = "float32",
        ["f4"] = "float32",
        ["float64"] = "float64",
        ["double"] = "float64",
        ["float"] = "float64",
        ["float_"] = "float64",
        ["f8"] = "float64",
        ["object"] = "object",
        ["object_"] = "object",
        ["O"] = "object",
        ["str"] = "str",
        ["str_"] = "str",
        ["U"] = "str",
        ["bytes"] = "bytes",
        ["bytes_"] = "bytes",
        ["S"] = "bytes",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>Gives the name under which numpy itself prints a type, such as <c>float32</c> for <c>f4</c>.</summary>
    /// <returns>Null when it is no type that a tensor can have.</returns>
    public static string? Normalize(string name) => Names.GetValueOrDefault(name.TrimStart('<', '=', '|'));

    /// <summary>Finds a type of model configurations; case does not matter, and <c>string</c> is one too.</summary>
    /// <param name="name">Such as <c>float32</c>.</param>
    /// <param name="type">The type; invalid when there is none of that name.</param>
    public static bool TryParse(string name, out DataType type)
    {
        var plain = name.Trim();
        type = (Normalize(plain) ?? Normalize(plain.ToLowerInvariant()) ?? plain.ToLowerInvariant()) switch
        {
            "bool" => DataType.TypeBool,
            "uint8" => DataType.TypeUint8,
            "uint16" => DataType.TypeUint16,
            "uint32" => DataType.TypeUint32,
            "uint64" => DataType.TypeUint64,
            "int8" => DataType.TypeInt8,
            "int16" => DataType.TypeInt16,
            "int32" => DataType.TypeInt32,
            "int64" => DataType.TypeInt64,
            "float16" => DataType.TypeFp16,
            "float32" => DataType.TypeFp32,
            "float64" => DataType.TypeFp64,
            "bfloat16" => DataType.TypeBf16,
            "object" or "str" or "string" or "bytes" => DataType.TypeString,
            _ => DataType.TypeInvalid,
        };
        return type != DataType.TypeInvalid;
    }
}
