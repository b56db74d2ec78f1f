namespace Sluice.Inference;

/// <summary>A piece of an <see cref="InferRequest"/>'s text store; text stays UTF-8 so that names cost no strings.</summary>
/// <param name="Offset">First byte.</param>
/// <param name="Length">Bytes; 0 = absent or empty.</param>
public readonly record struct Utf8Slice(int Offset, int Length)
{
    /// <summary>True for absent and for empty text.</summary>
    public bool IsEmpty => Length == 0;
}
