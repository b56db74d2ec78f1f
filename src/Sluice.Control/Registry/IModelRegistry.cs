using Sluice.Control.Records;

namespace Sluice.Control.Registry;

/// <summary>What models there are.</summary>
/// <remarks><b>Threads.</b> Any number of callers.</remarks>
public interface IModelRegistry
{
    /// <summary>Finds a model by its id, archived ones too.</summary>
    /// <returns>Null when there is none.</returns>
    /// <exception cref="Inference.InferenceException"><c>Unavailable</c>: the store cannot be reached.</exception>
    Task<ModelRecord?> FindAsync(string modelId, CancellationToken cancellationToken);

    /// <summary>Lists models that fit, newest created first.</summary>
    /// <exception cref="Inference.InferenceException"><c>Unavailable</c>: the store cannot be reached;
    /// <c>InvalidArgument</c>: the name is no valid expression.</exception>
    Task<IReadOnlyList<ModelRecord>> QueryAsync(ModelQuery query, CancellationToken cancellationToken);
}
