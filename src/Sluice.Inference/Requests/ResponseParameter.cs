namespace Sluice.Inference;

/// <summary>A parameter that a model gives with its response.</summary>
/// <param name="Key">The key.</param>
/// <param name="Kind">Which of the values holds.</param>
/// <param name="Bits">Value of the number kinds (<see cref="ParameterKind.Double"/> by its bits) and of bool (0 or 1).</param>
/// <param name="Text">Value of <see cref="ParameterKind.String"/>; else empty.</param>
public readonly record struct ResponseParameter(string Key, ParameterKind Kind, long Bits, string Text)
{
    /// <summary>Makes a text.</summary>
    public static ResponseParameter Of(string key, string value) => new(key, ParameterKind.String, 0, value);

    /// <summary>Makes a whole number.</summary>
    public static ResponseParameter Of(string key, long value) => new(key, ParameterKind.Int64, value, "");

    /// <summary>Makes a truth value.</summary>
    public static ResponseParameter Of(string key, bool value) => new(key, ParameterKind.Bool, value ? 1 : 0, "");

    /// <summary>Makes a floating point number.</summary>
    public static ResponseParameter Of(string key, double value) =>
        new(key, ParameterKind.Double, BitConverter.DoubleToInt64Bits(value), "");
}
