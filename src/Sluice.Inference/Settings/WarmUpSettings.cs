using System.Collections.Immutable;
using Sluice.Tensors;

namespace Sluice.Inference;

/// <summary>A request that every instance runs before the model is ready (spec §3.1, Warmup).</summary>
public sealed record WarmUpSettings
{
    /// <summary>Name for messages.</summary>
    public required string Name { get; init; }

    /// <summary>Rows; 1 for models without a batch dimension.</summary>
    public int RowCount { get; init; } = 1;

    /// <summary>How often each instance runs it; 1 or more.</summary>
    public int RunCount { get; init; } = 1;

    /// <summary>Its inputs.</summary>
    public ImmutableArray<WarmUpInput> Inputs { get; init; } = [];
}

/// <summary>Where the values of a warm-up input come from.</summary>
public enum WarmUpSource
{
    /// <summary>Zeros; empty strings.</summary>
    Zeros,

    /// <summary>Harmless random values.</summary>
    Random,

    /// <summary>A file of the model's folder <c>warmup</c>.</summary>
    File,
}

/// <summary>One input of a warm-up request.</summary>
/// <param name="Name">The model's input.</param>
/// <param name="DataType">Its element type.</param>
/// <param name="Dims">Dimensions without the batch dimension.</param>
/// <param name="Source">Where the values come from.</param>
/// <param name="Filename">Relative to the folder <c>warmup</c>: the raw bytes of one row.</param>
public sealed record WarmUpInput(string Name, DataType DataType, long[] Dims, WarmUpSource Source, string Filename);
