using System.Collections.Frozen;

namespace Sluice.Control.Api;

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
}
