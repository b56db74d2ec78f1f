namespace Sluice.Inference;

/// <summary>All that an engine needs to load one endpoint; made from a checked record, so it holds together.</summary>
public sealed record EndpointPlan
{
    /// <summary><c>name</c> or <c>name/version</c>; unique among the live endpoints.</summary>
    public required string Key { get; init; }

    /// <summary>One of <see cref="IEndpointEngine.Engines"/>.</summary>
    public required string Engine { get; init; }

    /// <summary>The model's local file or folder; null when the endpoint has none. Present until the runner is disposed.</summary>
    public string? ModelPath { get; init; }

    /// <summary>The user's code, a <c>.py</c> file or a package's folder; null when there is none. As long-lived as
    /// <see cref="ModelPath"/>.</summary>
    public string? PreprocessPath { get; init; }

    /// <summary>Hash of the code's contents; equal hashes are equal code.</summary>
    public string? PreprocessHash { get; init; }

    /// <summary>Name in the model table of the model that the server runs itself (engine <c>triton</c>); null otherwise.</summary>
    public string? ModelName { get; init; }

    /// <summary>That model itself, which calls reach also while a successor takes its name; as long-lived as <see cref="ModelPath"/>.
    /// Null = calls go by the name.</summary>
    public IModelReference? Model { get; init; }

    /// <summary>Declared inputs; may be empty.</summary>
    public IReadOnlyList<EndpointTensor> Inputs { get; init; } = [];

    /// <summary>Declared outputs; may be empty.</summary>
    public IReadOnlyList<EndpointTensor> Outputs { get; init; } = [];

    /// <summary>The endpoint's record as one JSON object with the fields of the store, for <c>model_endpoint</c>.</summary>
    public required string RecordJson { get; init; }

    /// <summary>The auxiliary configuration, nested keys joined by dots.</summary>
    public IReadOnlyDictionary<string, string> Auxiliary { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>The way back into the server for <c>send_request</c>.</summary>
    public required IEndpointCalls Calls { get; init; }
}

/// <summary>A declared input or output.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="NumpyType">As numpy spells it: <c>float32</c>.</param>
/// <param name="Shape">-1 = any size.</param>
public sealed record EndpointTensor(string Name, string NumpyType, IReadOnlyList<long> Shape);
