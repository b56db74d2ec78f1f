using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>One input or output of a graph, with what only this engine needs of it.</summary>
internal sealed class GraphTensor
{
    public required string Name { get; init; }

    /// <summary>The name for C, valid as long as the session.</summary>
    public required nint NativeName { get; init; }

    /// <summary>The engine's number of the element type.</summary>
    public required int Element { get; init; }

    public required DataType DataType { get; init; }

    /// <summary>Dimensions, -1 where free; null when the file does not even state the rank.</summary>
    public required long[]? Dims { get; init; }

    /// <summary>Names of the free dimensions, null where there is none; as long as <see cref="Dims"/>.</summary>
    public required string?[] Symbols { get; init; }

    public bool IsOptional { get; init; }

    public TensorDescription Describe() =>
        new() { Name = Name, DataType = DataType, Dims = Dims, IsOptional = IsOptional };
}
