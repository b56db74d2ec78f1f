using System.Collections.Immutable;
using Sluice.Tensors;

namespace Sluice.Inference;

/// <summary>How a model's requests belong together as sequences (spec §3.5).</summary>
public sealed record SequenceSettings
{
    /// <summary>Longest time without a request before a sequence is given up, microseconds. Default 1 second.</summary>
    public long MaxIdleMicroseconds { get; init; } = 1_000_000;

    /// <summary>The model may have a request run again; a request without a sequence is one of its own.</summary>
    public bool IsIterative { get; init; }

    /// <summary>Set: steps of any sequences of an instance make its batches. Null: each sequence has a row of its own.</summary>
    public OldestSettings? Oldest { get; init; }

    /// <summary>Rows of their own: longest wait for other sequences' requests, microseconds. Default 0.</summary>
    public long MaxQueueDelayMicroseconds { get; init; }

    /// <summary>Rows of their own: the share of rows with a request at which nothing is waited for, 0 to 1. Default 0.</summary>
    public float MinimumSlotUtilization { get; init; }

    /// <summary>What the model is told of a request's place in its sequence.</summary>
    public ImmutableArray<ControlSettings> Controls { get; init; } = [];

    /// <summary>Tensors that the server keeps from one step to the next.</summary>
    public ImmutableArray<StateSettings> States { get; init; } = [];
}

/// <summary>The strategy that batches the oldest waiting steps.</summary>
public sealed record OldestSettings
{
    /// <summary>Sequences under way at one instance; 1 or more.</summary>
    public int MaxCandidateSequences { get; init; } = 1;

    /// <summary>Sizes worth waiting for, ascending; empty = the model's largest.</summary>
    public ImmutableArray<int> PreferredBatchSizes { get; init; } = [];

    /// <summary>Longest wait for company, microseconds. Default 0: never wait.</summary>
    public long MaxQueueDelayMicroseconds { get; init; }

    /// <summary>Responses leave in the order in which batches were made.</summary>
    public bool PreserveOrdering { get; init; }
}

/// <summary>What a control says.</summary>
public enum ControlKind
{
    /// <summary>The request begins its sequence.</summary>
    Start,

    /// <summary>The row holds a request.</summary>
    Ready,

    /// <summary>The request ends its sequence.</summary>
    End,

    /// <summary>The sequence's id.</summary>
    CorrelationId,
}

/// <summary>An input of the model that the scheduler fills: one element per request.</summary>
public sealed record ControlSettings
{
    /// <summary>The input's name.</summary>
    public required string Name { get; init; }

    /// <summary>What it says.</summary>
    public required ControlKind Kind { get; init; }

    /// <summary>The element type.</summary>
    public required DataType DataType { get; init; }

    /// <summary>The element for "no", little-endian; empty for <see cref="ControlKind.CorrelationId"/>.</summary>
    public byte[] False { get; init; } = [];

    /// <summary>The element for "yes", little-endian; empty for <see cref="ControlKind.CorrelationId"/>.</summary>
    public byte[] True { get; init; } = [];
}

/// <summary>An output of one step that is an input of the next one.</summary>
public sealed record StateSettings
{
    /// <summary>The input that receives it.</summary>
    public required string InputName { get; init; }

    /// <summary>The output that gives it.</summary>
    public required string OutputName { get; init; }

    /// <summary>The element type of both.</summary>
    public required DataType DataType { get; init; }

    /// <summary>Dimensions of both without the batch dimension; -1 is free.</summary>
    public required long[] Dims { get; init; }

    /// <summary>Dimensions at a sequence's start; free ones are 1 unless the configuration says more.</summary>
    public required long[] InitialDims { get; init; }

    /// <summary>File in the model's folder <c>initial_state</c> with the value at a sequence's start; empty = zeros.</summary>
    public string InitialFile { get; init; } = "";

    /// <summary>The value at a sequence's start, as inputs have it.</summary>
    public byte[] InitialData { get; init; } = [];
}
