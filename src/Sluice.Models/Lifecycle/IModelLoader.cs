using Sluice.Inference;

namespace Sluice.Models;

/// <summary>Makes a model version servable: engine, instances and scheduler.</summary>
/// <remarks><b>Threads.</b> Several loads may run at a time, each on a thread of its own that may block.</remarks>
public interface IModelLoader
{
    /// <summary>Opens the file of <see cref="ModelLoadPlan.Draft"/>, completes the plan and starts instances.</summary>
    /// <param name="plan">Valid during the call.</param>
    /// <param name="cancellationToken">The server is stopping.</param>
    /// <returns>Something that takes requests at once; the caller disposes it.</returns>
    /// <exception cref="InferenceException">The version cannot be served; the message says why.</exception>
    Task<IServable> LoadAsync(ModelLoadPlan plan, CancellationToken cancellationToken);
}
