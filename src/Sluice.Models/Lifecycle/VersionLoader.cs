using Microsoft.Extensions.Logging;
using Sluice.Protocol.Inference;

namespace Sluice.Models;

/// <summary>Loads versions, a bounded number at a time, on threads of their own.</summary>
internal sealed class VersionLoader(
    IModelLoader loader, ModelTable models, LifecycleOptions options, ModelConfigOptions configOptions, ILogger logger,
    TimeProvider time)
    : IDisposable
{
    private readonly SemaphoreSlim _slots = new(options.LoadThreadCount, options.LoadThreadCount);

    /// <param name="version">Version and folder.</param>
    /// <param name="config">The configuration as written.</param>
    /// <param name="key">What it is loaded from.</param>
    /// <param name="overrides">Files that came with a request; null = none.</param>
    /// <param name="predecessor">What serves until it is ready; null when nothing does.</param>
    /// <param name="cancellationToken">The server is stopping.</param>
    /// <returns>A loaded model that the caller retires.</returns>
    public async Task<LoadedModel> LoadAsync(
        ModelVersionFolder version, ModelConfig config, VersionKey key, OverrideFolder? overrides, LoadedModel? predecessor,
        CancellationToken cancellationToken)
    {
        await _slots.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            for (var attempt = 1; ; attempt++)
            {
                try
                {
                    return await LoadOnceAsync(version, config, key, overrides, predecessor, cancellationToken).ConfigureAwait(false);
                }
                catch (Exception e) when (attempt <= options.LoadRetryCount && !cancellationToken.IsCancellationRequested)
                {
                    logger.LoadRetried(attempt, version.ModelName, version.Text, e.Message);
                }
            }
        }
        finally
        {
            _slots.Release();
        }
    }

    /// <summary>Gives a loaded version other instances without loading it anew.</summary>
    /// <returns>False when it has to be loaded.</returns>
    public async Task<bool> TryResizeAsync(
        LoadedModel loaded, ModelVersionFolder version, ModelConfig config, VersionKey key, CancellationToken cancellationToken)
    {
        await _slots.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var plan = new ModelLoadPlan(config, version, configOptions) { Models = models };
            var isDone = await Task.Factory.StartNew(
                () => loader.TryResizeAsync(loaded.Servable, plan, cancellationToken), cancellationToken,
                TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default).Unwrap().ConfigureAwait(false);
            if (!isDone)
                return false;
            loaded.Follow(plan.Config, key);
            logger.InstancesChanged(version.ModelName, version.Text, plan.Config.InstanceGroup.Sum(group => group.Count));
            return true;
        }
        finally
        {
            _slots.Release();
        }
    }

    public void Dispose() => _slots.Dispose();

    private async Task<LoadedModel> LoadOnceAsync(
        ModelVersionFolder version, ModelConfig config, VersionKey key, OverrideFolder? overrides, LoadedModel? predecessor,
        CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        var plan = new ModelLoadPlan(config, version, configOptions) { Models = models, Predecessor = predecessor?.Servable };
        // Engines block while they read a file; the pool's threads are for requests.
        var servable = await Task.Factory.StartNew(
            () => loader.LoadAsync(plan, cancellationToken),
            cancellationToken,
            TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach,
            TaskScheduler.Default).Unwrap().ConfigureAwait(false);

        var duration = time.GetElapsedTime(start);
        servable.Statistics.LoadDuration = duration;
        logger.ModelLoaded(version.ModelName, version.Text, duration.TotalSeconds);
        return new LoadedModel(servable, plan.Config, key) { Overrides = overrides?.AddReference() };
    }
}
