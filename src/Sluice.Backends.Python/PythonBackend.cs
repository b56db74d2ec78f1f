using Sluice.Backends.Python.Models;
using Sluice.Inference;

namespace Sluice.Backends.Python;

/// <summary>Runs models that are Python code, each instance in a process of its own.</summary>
/// <param name="runtime">Shared with the other Python engines; owned by the caller.</param>
/// <param name="name"><c>python</c>, or <c>sklearn</c> for files that scikit-learn saved.</param>
public sealed class PythonBackend(PythonRuntime runtime, string name = "python") : IBackend
{
    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public IBackendModel Load(ModelSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return PythonModel.Load(runtime, settings);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
