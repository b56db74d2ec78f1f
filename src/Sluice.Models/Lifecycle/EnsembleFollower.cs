using Sluice.Protocol.Inference;

namespace Sluice.Models;

/// <summary>Loads ensembles, suspends them while a model that they consist of is missing, and brings them back.</summary>
/// <remarks><b>Threads.</b> Any number of callers; each ensemble is changed behind the gate of its slot, one gate at a time.</remarks>
internal sealed class EnsembleFollower(ModelTable table, EnsembleGraph graph, ModelUpdater updater)
{
    /// <summary>Brings a model to what its folder says, as an ensemble where it is one; the caller holds the slot's gate.</summary>
    /// <param name="slot">The model.</param>
    /// <param name="folder">What is on disk.</param>
    /// <param name="replacement">Configuration that replaces the one on disk; null for none.</param>
    /// <param name="cancellationToken">The server is stopping.</param>
    /// <returns>Why something failed; null when all is as wanted.</returns>
    public async Task<string?> ApplyAsync(
        ModelSlot slot, ModelFolder folder, ModelConfig? replacement, CancellationToken cancellationToken)
    {
        if (updater.ReadConfig(slot, folder, replacement, out var fault) is not { } config)
            return fault;
        if (config.EnsembleScheduling is null)
        {
            graph.Forget(folder.Name);
        }
        else
        {
            graph.Want(folder.Name, new WantedEnsemble(folder, config, replacement, EnsembleGraph.StepsOf(config)));
            if (graph.FindCircle(folder.Name) is { Length: > 0 } circle)
                return updater.Refuse(slot, circle);
        }

        return await updater.ApplyAsync(slot, folder, config, graph.Describe(config), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Brings ensembles that have a model as a step to what the model is now; no gate is held.</summary>
    public Task FollowAsync(string model, CancellationToken cancellationToken) => FollowAsync(model, hasChanged: true, [], cancellationToken);

    /// <param name="model">The model.</param>
    /// <param name="hasChanged">False for an ensemble that is what it was and only answers otherwise: who keeps answers must learn it.</param>
    /// <param name="passed">Ensembles that were passed by as they are.</param>
    /// <param name="cancellationToken">The server is stopping.</param>
    private async Task FollowAsync(string model, bool hasChanged, HashSet<string> passed, CancellationToken cancellationToken)
    {
        foreach (var name in graph.DependentsOf(model))
        {
            var isReplaced = await TryReplaceAsync(name, hasChanged, cancellationToken).ConfigureAwait(false);
            if (isReplaced || passed.Add(name))
                await FollowAsync(name, isReplaced, passed, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <returns>True when another load serves now, or none any more.</returns>
    private async Task<bool> TryReplaceAsync(string name, bool hasStepChanged, CancellationToken cancellationToken)
    {
        var slot = table.GetOrAddSlot(name);
        await slot.Gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        var before = slot.Snapshot.Latest;
        try
        {
            if (graph.Find(name) is not { } ensemble || (!hasStepChanged && !EnsembleGraph.IsCached(ensemble.Config)))
                return false;
            var fault = graph.FindMissing(name, ensemble.Config);

            // One that was refused as a part of a circle stays what it was.
            if (fault.Length == 0 && graph.FindCircle(name).Length == 0)
                fault = await updater.ApplyAsync(
                    slot, ensemble.Folder, ensemble.Config, graph.Describe(ensemble.Config), cancellationToken).ConfigureAwait(false) ?? "";
            if (fault.Length > 0)
                updater.Suspend(slot, fault);
        }
        finally
        {
            slot.Gate.Release();
        }

        return slot.Snapshot.Latest != before;
    }
}
