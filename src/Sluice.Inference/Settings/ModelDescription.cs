using System.Collections.Immutable;
using Sluice.Tensors;

namespace Sluice.Inference;

/// <summary>What a model file says of itself, read by its engine at load.</summary>
/// <param name="Inputs">Inputs that a request has to bring, in the file's order.</param>
/// <param name="Outputs">Outputs in the file's order.</param>
public sealed record ModelDescription(ImmutableArray<TensorDescription> Inputs, ImmutableArray<TensorDescription> Outputs)
{
    /// <summary>An execution may take any time whatever earlier ones took, as loops in the graph may; then it never runs on a
    /// thread that serves connections.</summary>
    public bool HasLoops { get; init; }

    /// <summary>The model remembers what it saw by the row of its batches, so a sequence must have its row, or the whole instance
    /// where there are no batches, for itself. Other models know a request's sequence or remember nothing.</summary>
    public bool KeepsRowState { get; init; }

    /// <summary>Batch size of a configuration that names none and lets the file say; null = the server's default.</summary>
    public int? DefaultMaxBatchSize { get; init; }

    /// <summary>The file says nothing of its tensors: the configuration alone does, and nothing is checked against the
    /// file.</summary>
    public bool IsOpen { get; init; }

    /// <summary>The configuration as the model's code completed it, proto JSON; null = it did not.</summary>
    public string? CompletedConfig { get; init; }
}

/// <summary>One tensor of a model file.</summary>
public sealed record TensorDescription
{
    /// <summary>The tensor's name.</summary>
    public required string Name { get; init; }

    /// <summary>The element type.</summary>
    public required DataType DataType { get; init; }

    /// <summary>All dimensions, the batch dimension included; -1 is free; null = the file says nothing, not even the rank.</summary>
    public long[]? Dims { get; init; }

    /// <summary>Inputs only: the file has a default value for it.</summary>
    public bool IsOptional { get; init; }

    /// <summary>Inputs only: <see cref="TensorSettings.AcceptsFewer"/>.</summary>
    public bool AcceptsFewer { get; init; }
}
