using Sluice.Inference;

namespace Sluice.Backends.Python;

/// <summary>What users' Python code may ask of the server that it runs beside.</summary>
/// <remarks><b>Threads.</b> Any.</remarks>
public interface IPythonServer
{
    /// <summary>Runs requests of models on other models.</summary>
    IInferenceEngine Engine { get; }

    /// <summary>Loads a model.</summary>
    /// <exception cref="InferenceException">It cannot be loaded.</exception>
    Task LoadModelAsync(
        string name, string? configJson, IReadOnlyDictionary<string, ReadOnlyMemory<byte>> files,
        CancellationToken cancellationToken);

    /// <summary>Unloads a model.</summary>
    /// <exception cref="InferenceException">It cannot be unloaded.</exception>
    Task UnloadModelAsync(string name, bool withDependents, CancellationToken cancellationToken);

    /// <summary>Tells whether a model can be called.</summary>
    /// <param name="name">The model.</param>
    /// <param name="version">Empty = any.</param>
    bool IsModelReady(string name, string version);
}
