using System.Text;

namespace Sluice.Tensors;

/// <summary>Sizes and names of the element types.</summary>
public static class DataTypes
{
    private const int Count = 15;

    private static readonly string[] WireNames =
    [
        "INVALID", "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
        "FP16", "FP32", "FP64", "BYTES", "BF16",
    ];

    private static readonly string[] ConfigNames =
    [
        "TYPE_INVALID", "TYPE_BOOL", "TYPE_UINT8", "TYPE_UINT16", "TYPE_UINT32", "TYPE_UINT64", "TYPE_INT8",
        "TYPE_INT16", "TYPE_INT32", "TYPE_INT64", "TYPE_FP16", "TYPE_FP32", "TYPE_FP64", "TYPE_STRING", "TYPE_BF16",
    ];

    private static readonly byte[][] WireNamesUtf8 = Array.ConvertAll(WireNames, Encoding.ASCII.GetBytes);

    private static ReadOnlySpan<byte> Sizes => [0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 4, 8, 0, 2];

    /// <summary>Tells the size of one element in bytes.</summary>
    /// <param name="type">Any value.</param>
    /// <returns>1, 2, 4 or 8; 0 for <see cref="DataType.Bytes"/> and for what is no type.</returns>
    public static int ElementSize(this DataType type) => (int)type < Count ? Sizes[(int)type] : 0;

    /// <summary>Gives the protocol's spelling, such as <c>FP32</c> or <c>BYTES</c>.</summary>
    /// <param name="type">Any value.</param>
    /// <returns>The name; <c>INVALID</c> for what is no type.</returns>
    public static string WireName(this DataType type) => WireNames[Index(type)];

    /// <summary>Gives the protocol's spelling as UTF-8.</summary>
    /// <param name="type">Any value.</param>
    /// <returns>Bytes that stay valid for ever.</returns>
    public static ReadOnlySpan<byte> WireNameUtf8(this DataType type) => WireNamesUtf8[Index(type)];

    /// <summary>Gives the spelling of model configuration, such as <c>TYPE_STRING</c>.</summary>
    /// <param name="type">Any value.</param>
    /// <returns>The name; <c>TYPE_INVALID</c> for what is no type.</returns>
    public static string ConfigName(this DataType type) => ConfigNames[Index(type)];

    /// <summary>Reads the protocol's spelling (case matters).</summary>
    /// <param name="utf8">The name.</param>
    /// <param name="type">The type, or <see cref="DataType.Invalid"/>.</param>
    /// <returns>False when no type has this name.</returns>
    public static bool TryParse(ReadOnlySpan<byte> utf8, out DataType type)
    {
        for (var i = 1; i < Count; i++)
        {
            if (utf8.SequenceEqual(WireNamesUtf8[i]))
            {
                type = (DataType)i;
                return true;
            }
        }

        type = DataType.Invalid;
        return false;
    }

    /// <summary>Reads the protocol's spelling (case matters).</summary>
    /// <param name="name">The name.</param>
    /// <param name="type">The type, or <see cref="DataType.Invalid"/>.</param>
    /// <returns>False when no type has this name.</returns>
    public static bool TryParse(ReadOnlySpan<char> name, out DataType type)
    {
        for (var i = 1; i < Count; i++)
        {
            if (name.SequenceEqual(WireNames[i]))
            {
                type = (DataType)i;
                return true;
            }
        }

        type = DataType.Invalid;
        return false;
    }

    private static int Index(DataType type) => (int)type < Count ? (int)type : 0;
}
