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

    /// <summary>Adds and removes instances of a model that serves, when its configuration differs in nothing else (spec §3.4).</summary>
    /// <param name="servable">From <see cref="LoadAsync"/>; serves throughout.</param>
    /// <param name="plan">The new configuration; completed after a success.</param>
    /// <param name="cancellationToken">The server is stopping.</param>
    /// <returns>False when the model has to be loaded anew; then nothing has changed.</returns>
    /// <exception cref="InferenceException">The new instances cannot be had; the old ones serve on.</exception>
    Task<bool> TryResizeAsync(IServable servable, ModelLoadPlan plan, CancellationToken cancellationToken) => Task.FromResult(false);
}
