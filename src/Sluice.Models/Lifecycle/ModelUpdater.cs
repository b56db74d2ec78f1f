using System.Globalization;
using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Protocol.Inference;

namespace Sluice.Models;

/// <summary>Brings one model to what its folder says: load new, swap, drain old.</summary>
/// <remarks>
/// <para>What serves keeps serving until its successor is ready: after any failure all old versions stay.</para>
/// <para><b>Threads.</b> The caller holds the slot's gate.</para>
/// </remarks>
internal sealed class ModelUpdater(VersionLoader loader, ILogger logger)
{
    /// <summary>Reason of a version that was taken out on purpose.</summary>
    public const string Unloaded = ModelStates.Unloaded;

    private readonly HashSet<Task> _retirements = [];

    /// <summary>Loads what is new or changed, then retires what is no longer wanted.</summary>
    /// <param name="slot">The model.</param>
    /// <param name="folder">What is on disk.</param>
    /// <param name="config">The configuration that holds.</param>
    /// <param name="dependencies">What the model depends on outside its folder; another text makes it load anew.</param>
    /// <param name="cancellationToken">The server is stopping.</param>
    /// <returns>Why something failed; null when all is as wanted.</returns>
    public async Task<string?> ApplyAsync(
        ModelSlot slot, ModelFolder folder, ModelConfig config, string dependencies, CancellationToken cancellationToken)
    {
        var wanted = VersionSelection.Select(config.VersionPolicy, folder.Versions);
        if (wanted.Length == 0)
            return Refuse(
                slot, $"at least one version must be available under the version policy of model '{folder.Name}'");

        slot.Update(s => s.WithFault(""));
        var failures = await Task.WhenAll(wanted.Select(v =>
            LoadVersionAsync(
                slot, v, config, KeyOf(config, folder.VersionStamps[v.Number] + dependencies), folder.Overrides, cancellationToken)))
            .ConfigureAwait(false);
        if (failures.Any(f => f is not null))
            return string.Join(' ', failures.OfType<string>());

        Retire(slot, v => wanted.All(w => w.Number != v.Number), Unloaded);
        return null;
    }

    /// <summary>Loads the newest version of a folder and tells nobody.</summary>
    /// <param name="folder">What is on disk.</param>
    /// <param name="config">The configuration that holds.</param>
    /// <param name="predecessor">What serves until it is published; null when nothing does.</param>
    /// <param name="cancellationToken">The server is stopping.</param>
    /// <returns>A model that the caller publishes or retires.</returns>
    /// <exception cref="InferenceException">It cannot be loaded.</exception>
    public async Task<LoadedModel> LoadApartAsync(
        ModelFolder folder, ModelConfig config, LoadedModel? predecessor, CancellationToken cancellationToken)
    {
        if (folder.Fault.Length > 0)
            throw InferenceException.Invalid(folder.Fault);
        var version = folder.Versions[^1];
        try
        {
            return await loader.LoadAsync(
                version, config, KeyOf(config, folder.VersionStamps[version.Number]), folder.Overrides, predecessor, cancellationToken)
                .ConfigureAwait(false);
        }
        // Engines throw what they like; the caller wants to tell what is wrong with the model.
        catch (Exception e) when (e is not (OperationCanceledException or InferenceException))
        {
            throw new InferenceException(InferenceCode.InvalidArgument, e.Message, e);
        }
    }

    /// <summary>Makes a model the only version of its name.</summary>
    public void Publish(ModelSlot slot, LoadedModel loaded)
    {
        var number = long.Parse(loaded.Servable.Settings.Version, CultureInfo.InvariantCulture);
        var old = slot.Snapshot.Find(number)?.Loaded;
        slot.Update(s => s.WithFault("").With(
            new VersionSnapshot { Number = number, State = ModelState.Ready, Loaded = loaded }));
        if (old is not null)
            StartRetirement(slot, old, announced: null);
        Retire(slot, v => v.Number != number, Unloaded);
    }

    /// <summary>Takes every version out of service; what it has accepted is finished in the background.</summary>
    public void Unload(ModelSlot slot)
    {
        slot.Update(s => s.WithFault(""));
        Retire(slot, _ => true, Unloaded);
    }

    /// <summary>Takes the versions that serve out of service, because something that the model depends on is gone.</summary>
    public void Suspend(ModelSlot slot, string reason)
    {
        if (slot.Snapshot.Latest is not null)
            logger.EnsembleSuspended(slot.Snapshot.Name, reason);
        Retire(slot, version => version.Reason != Unloaded, reason);
    }

    /// <summary>Reads the configuration that holds.</summary>
    /// <param name="slot">The model.</param>
    /// <param name="folder">What is on disk.</param>
    /// <param name="replacement">Takes the place of the one on disk; null for none.</param>
    /// <param name="fault">Why the model cannot be served whatever it holds; null when nothing speaks against it.</param>
    /// <returns>Null with a fault.</returns>
    public ModelConfig? ReadConfig(ModelSlot slot, ModelFolder folder, ModelConfig? replacement, out string? fault)
    {
        fault = null;
        if (folder.Fault.Length > 0)
        {
            fault = Refuse(slot, folder.Fault);
            return null;
        }

        try
        {
            return ReadConfig(folder, replacement);
        }
        catch (InferenceException e)
        {
            fault = Refuse(slot, e.Message);
            return null;
        }
    }

    /// <summary>Reads the configuration that holds.</summary>
    /// <exception cref="InferenceException">It does not parse.</exception>
    public static ModelConfig ReadConfig(ModelFolder folder, ModelConfig? replacement) => replacement ?? (folder.ConfigPath is { } path
        ? ModelConfigFile.Read(path, $"{folder.Name}/{Path.GetRelativePath(folder.Path, path)}")
        : new ModelConfig());

    /// <summary>Waits until everything retired so far is gone.</summary>
    public Task DrainAsync()
    {
        lock (_retirements)
            return Task.WhenAll(_retirements);
    }

    /// <summary>Notes why nothing was tried.</summary>
    public string Refuse(ModelSlot slot, string fault)
    {
        logger.ModelRefused(slot.Snapshot.Name, fault);
        slot.Update(s => s.WithFault(fault));
        return fault;
    }

    // Which versions are served does not change what one of them is.
    private static VersionKey KeyOf(ModelConfig config, string stamp)
    {
        var copy = config.Clone();
        copy.VersionPolicy = null;
        return new VersionKey(copy, stamp);
    }

    private async Task<string?> LoadVersionAsync(
        ModelSlot slot,
        ModelVersionFolder version,
        ModelConfig config,
        VersionKey key,
        OverrideFolder? overrides,
        CancellationToken cancellationToken)
    {
        var current = slot.Snapshot.Find(version.Number);
        if (current?.Loaded is { } same && same.Key == key)
        {
            FollowVersionPolicy(same, config);
            return null;
        }

        if (current?.Loaded is { } resized && resized.Key.IsSameButForInstances(key))
        {
            try
            {
                if (await loader.TryResizeAsync(resized, version, config, key, cancellationToken).ConfigureAwait(false))
                    return null;
            }
            // The instances that there were serve on.
            catch (Exception e)
            {
                return KeepAfterFailure(slot, version, current, e.Message);
            }
        }

        if (current?.Loaded is null)
            slot.Update(s => s.With(new VersionSnapshot { Number = version.Number, State = ModelState.Loading }));

        try
        {
            var predecessor = current?.Loaded ?? slot.Snapshot.Latest?.Loaded;
            var loaded = await loader.LoadAsync(version, config, key, overrides, predecessor, cancellationToken).ConfigureAwait(false);
            slot.Update(s => s.With(
                new VersionSnapshot { Number = version.Number, State = ModelState.Ready, Loaded = loaded }));
        }
        // Whatever a loader or an engine throws concerns this version alone.
        catch (Exception e)
        {
            return KeepAfterFailure(slot, version, current, e.Message);
        }

        if (current?.Loaded is { } old)
            StartRetirement(slot, old, announced: null);

        return null;
    }

    private static void FollowVersionPolicy(LoadedModel loaded, ModelConfig written)
    {
        var config = loaded.Config.Clone();
        config.VersionPolicy = written.VersionPolicy?.Clone();
        ModelConfigDefaults.ApplyVersionPolicy(config);
        loaded.Follow(config, loaded.Key);
    }

    private string KeepAfterFailure(ModelSlot slot, ModelVersionFolder version, VersionSnapshot? current, string reason)
    {
        if (current?.Loaded is not null)
        {
            logger.ReloadFailed(version.ModelName, version.Text, reason);
            slot.Update(s => s.With(current with { Reason = reason }));
        }
        else
        {
            logger.ModelLoadFailed(version.ModelName, version.Text, reason);
            slot.Update(s => s.With(
                new VersionSnapshot { Number = version.Number, State = ModelState.Unavailable, Reason = reason }));
        }

        return $"version {version.Text} is at UNAVAILABLE state: {reason};";
    }

    private void Retire(ModelSlot slot, Func<VersionSnapshot, bool> which, string reason)
    {
        foreach (var version in slot.Snapshot.Versions.Where(which))
        {
            var next = version with { State = ModelState.Unavailable, Reason = reason, Loaded = null };
            if (version.State == ModelState.Unloading)
                continue;

            if (version.Loaded is not { } loaded)
            {
                slot.Update(s => s.With(next));
                continue;
            }

            // New requests must miss before the owner's reference goes, or a look-up could find a dead model for ever.
            next = next with { State = ModelState.Unloading, Reason = "" };
            slot.Update(s => s.With(next));
            StartRetirement(slot, loaded, next, reason);
        }
    }

    // What is announced is the state to end when all is gone; null when a successor has taken the place.
    private void StartRetirement(ModelSlot slot, LoadedModel loaded, VersionSnapshot? announced, string reason = Unloaded)
    {
        var retirement = RetireAsync(slot, loaded, announced, reason);
        lock (_retirements)
            _retirements.Add(retirement);
        retirement.ContinueWith(
            t =>
            {
                lock (_retirements)
                    _retirements.Remove(t);
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }

    private async Task RetireAsync(ModelSlot slot, LoadedModel loaded, VersionSnapshot? announced, string reason)
    {
        var settings = loaded.Servable.Settings;
        try
        {
            await loaded.RetireAsync().ConfigureAwait(false);
            logger.ModelUnloaded(settings.Name, settings.Version);
        }
        // Nobody waits for this result; the model is out of the table either way.
        catch (Exception e)
        {
            logger.ReleaseFailed(e, settings.Name, settings.Version);
        }

        if (announced is not null)
            slot.Update(s => ReferenceEquals(s.Find(announced.Number), announced)
                ? s.With(announced with { State = ModelState.Unavailable, Reason = reason })
                : s);
    }
}
