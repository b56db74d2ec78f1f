using Sluice.Tensors;

namespace Sluice.Backends.OnnxRuntime.Interop;

/// <summary>The engine's numbers of element types and kinds of values.</summary>
internal static class ElementTypes
{
    public const int TensorKind = 1;

    public const int String = 8;

    // By the engine's number; Invalid where the protocol has no such type.
    private static readonly (DataType Type, string Name)[] Table =
    [
        (DataType.Invalid, "undefined"),
        (DataType.Fp32, "float"),
        (DataType.UInt8, "uint8"),
        (DataType.Int8, "int8"),
        (DataType.UInt16, "uint16"),
        (DataType.Int16, "int16"),
        (DataType.Int32, "int32"),
        (DataType.Int64, "int64"),
        (DataType.Bytes, "string"),
        (DataType.Bool, "bool"),
        (DataType.Fp16, "float16"),
        (DataType.Fp64, "double"),
        (DataType.UInt32, "uint32"),
        (DataType.UInt64, "uint64"),
        (DataType.Invalid, "complex64"),
        (DataType.Invalid, "complex128"),
        (DataType.Bf16, "bfloat16"),
        (DataType.Invalid, "float8e4m3fn"),
        (DataType.Invalid, "float8e4m3fnuz"),
        (DataType.Invalid, "float8e5m2"),
        (DataType.Invalid, "float8e5m2fnuz"),
        (DataType.Invalid, "uint4"),
        (DataType.Invalid, "int4"),
    ];

    private static readonly string[] Kinds =
        ["unknown", "tensor", "sequence", "map", "opaque", "sparse tensor", "optional"];

    public static DataType ToDataType(int element) =>
        (uint)element < (uint)Table.Length ? Table[element].Type : DataType.Invalid;

    public static string Name(int element) =>
        (uint)element < (uint)Table.Length ? Table[element].Name : $"element type {element}";

    public static string KindName(int kind) => (uint)kind < (uint)Kinds.Length ? Kinds[kind] : $"kind {kind}";

    public static int FromDataType(DataType type)
    {
        for (var i = 1; i < Table.Length; i++)
        {
            if (Table[i].Type == type && type != DataType.Invalid) return i;
        }

        return 0;
    }
}
