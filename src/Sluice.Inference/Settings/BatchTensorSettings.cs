using System.Collections.Immutable;
using Sluice.Tensors;

namespace Sluice.Inference;

/// <summary>What is told of the requests in a batch whose inputs differ in shape (spec §3.1).</summary>
public enum BatchInputKind
{
    /// <summary>The number of elements of each request, <c>[requests]</c>.</summary>
    ElementCount,

    /// <summary>Where each request's elements end, <c>[requests]</c>.</summary>
    AccumulatedElementCount,

    /// <summary>Zero, then where each request's elements end, <c>[requests + 1]</c>.</summary>
    AccumulatedElementCountWithZero,

    /// <summary>The shape is the largest number of elements, <c>[largest]</c>; the values say nothing.</summary>
    MaxElementCountAsShape,

    /// <summary>The shape of each row of each request, <c>[rows, rank]</c>.</summary>
    ItemShape,

    /// <summary>The same in one dimension, <c>[rows * rank]</c>.</summary>
    ItemShapeFlatten,
}

/// <summary>Inputs of the model that the server makes from the batch.</summary>
public sealed record BatchInputSettings
{
    /// <summary>What they hold.</summary>
    public required BatchInputKind Kind { get; init; }

    /// <summary>Names of the inputs; all receive the same.</summary>
    public required ImmutableArray<string> TargetNames { get; init; }

    /// <summary><see cref="DataType.Int32"/> or <see cref="DataType.Fp32"/>.</summary>
    public required DataType DataType { get; init; }

    /// <summary>The input that is counted.</summary>
    public required string SourceInput { get; init; }
}

/// <summary>One input that is made from the requests of a batch.</summary>
/// <param name="Kind">What it holds.</param>
/// <param name="DataType"><see cref="DataType.Int32"/> or <see cref="DataType.Fp32"/>.</param>
/// <param name="Source">Index of the input that is counted.</param>
/// <param name="Target">Index of the input that is made.</param>
public readonly record struct BatchTensor(BatchInputKind Kind, DataType DataType, int Source, int Target);

/// <summary>Outputs that hold the requests' results behind one another, each as large as the request's own input.</summary>
public sealed record BatchOutputSettings
{
    /// <summary>Names of the outputs.</summary>
    public required ImmutableArray<string> TargetNames { get; init; }

    /// <summary>The input whose shapes give the outputs' shapes.</summary>
    public required string SourceInput { get; init; }
}
