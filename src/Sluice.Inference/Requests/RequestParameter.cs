namespace Sluice.Inference;

/// <summary>The type of a <see cref="RequestParameter"/>.</summary>
public enum ParameterKind : byte
{
    /// <summary>True or false.</summary>
    Bool,

    /// <summary>A signed number.</summary>
    Int64,

    /// <summary>An unsigned number.</summary>
    UInt64,

    /// <summary>A floating point number.</summary>
    Double,

    /// <summary>Text.</summary>
    String,

    /// <summary>A key without a value, which no key takes.</summary>
    Missing,
}

/// <summary>A parameter of a request or a response that is meant for the model, not for the server.</summary>
public struct RequestParameter
{
    /// <summary>The key, in the request's text store.</summary>
    public Utf8Slice Key;

    /// <summary>Which of the values holds.</summary>
    public ParameterKind Kind;

    /// <summary>Value of the number kinds (<see cref="ParameterKind.Double"/> by its bits) and of bool (0 or 1).</summary>
    public long Bits;

    /// <summary>Value of <see cref="ParameterKind.String"/>.</summary>
    public Utf8Slice Text;
}
