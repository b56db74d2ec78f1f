using Sluice.Protocol.Inference;

namespace Sluice.Protocol.Codec;

/// <summary>A <c>ModelInferRequest</c> as a client fills it; may be sent any number of times.</summary>
public sealed class InferRequestMessage
{
    /// <summary>The model to run.</summary>
    public required string ModelName { get; init; }

    /// <summary>Its version; empty = the highest that is ready.</summary>
    public string ModelVersion { get; init; } = "";

    /// <summary>The client's mark, given back with the answer; may be empty.</summary>
    public string Id { get; init; } = "";

    /// <summary>The tensors.</summary>
    public required IReadOnlyList<InferInput> Inputs { get; init; }

    /// <summary>Names of the wanted outputs; empty = all.</summary>
    public IReadOnlyList<string> Outputs { get; init; } = [];

    /// <summary>Parameters such as <c>sequence_id</c>, <c>priority</c> or <c>timeout</c>; null = none.</summary>
    public IReadOnlyDictionary<string, InferParameter>? Parameters { get; init; }

    /// <summary>
    /// Sends tensors as typed contents, element by element, instead of raw bytes. Default false: raw bytes are smaller and
    /// much cheaper on both sides. Not possible for FP16 and BF16, which the protocol has no field for.
    /// </summary>
    public bool UsesTypedContents { get; init; }
}
