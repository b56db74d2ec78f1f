using Microsoft.Extensions.Logging;
using Sluice.Inference;

namespace Sluice.Models;

/// <summary>Compares the repositories with what was seen last and hands on the differences.</summary>
/// <remarks><b>Threads.</b> One call of <see cref="FollowAsync"/> at a time.</remarks>
internal sealed class RepositoryFollower(
    ModelRepository repository,
    Func<ModelFolder, Task<ModelLoadFailure?>> apply,
    Func<string, Task> unload,
    Func<ModelFolder, IEnumerable<string>> stepsOf,
    ILogger logger)
{
    private IReadOnlyDictionary<string, ModelFolder> _seen = new Dictionary<string, ModelFolder>();

    /// <summary>Looks once and waits until every difference is dealt with.</summary>
    /// <param name="announce">Told all names before anything is loaded.</param>
    /// <returns>Models that failed.</returns>
    /// <exception cref="InferenceException">A repository cannot be read; nothing was done.</exception>
    public async Task<IReadOnlyList<ModelLoadFailure>> FollowAsync(Action<IEnumerable<string>> announce)
    {
        var found = repository.Scan();
        var removed = _seen.Keys.Where(n => !found.ContainsKey(n)).ToArray();
        var changed = found.Values.Where(IsChanged).ToArray();
        // A failed model is tried again only after its files have changed.
        _seen = found;
        announce(changed.Select(f => f.Name));
        await Task.WhenAll(removed.Select(unload)).ConfigureAwait(false);
        var order = new LoadOrder(changed, apply, stepsOf);
        var failures = await Task.WhenAll(changed.Select(order.Load)).ConfigureAwait(false);
        return [.. failures.OfType<ModelLoadFailure>()];
    }

    /// <summary>Looks at each tick until cancelled.</summary>
    public async Task RunAsync(
        PeriodicTimer timer, Action<IEnumerable<string>> announce, CancellationToken cancellationToken)
    {
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
                await TryFollowAsync(announce).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
        }
    }

    private async Task TryFollowAsync(Action<IEnumerable<string>> announce)
    {
        try
        {
            await FollowAsync(announce).ConfigureAwait(false);
        }
        // A share may be away for a while; what is loaded stays, and the next look is another chance.
        catch (Exception e) when (e is not OperationCanceledException)
        {
            logger.PollFailed(e.Message);
        }
    }

    private bool IsChanged(ModelFolder folder) =>
        !_seen.TryGetValue(folder.Name, out var old) || old.Stamp != folder.Stamp || old.Fault != folder.Fault;

    /// <summary>Loads everything at once, but ensembles after the models that they consist of.</summary>
    private sealed class LoadOrder(
        ModelFolder[] folders, Func<ModelFolder, Task<ModelLoadFailure?>> apply, Func<ModelFolder, IEnumerable<string>> stepsOf)
    {
        private readonly Dictionary<string, ModelFolder> _folders = folders.ToDictionary(folder => folder.Name, StringComparer.Ordinal);
        private readonly Dictionary<string, Task<ModelLoadFailure?>> _loading = new(StringComparer.Ordinal);
        private readonly HashSet<string> _above = new(StringComparer.Ordinal);

        public Task<ModelLoadFailure?> Load(ModelFolder folder)
        {
            if (_loading.TryGetValue(folder.Name, out var loading))
                return loading;

            // Those that wait for each other in a circle do not wait; each fails with what it misses.
            _above.Add(folder.Name);
            var steps = stepsOf(folder).Where(step => _folders.ContainsKey(step) && !_above.Contains(step))
                .Select(step => (Task)Load(_folders[step])).ToArray();
            _above.Remove(folder.Name);
            return _loading[folder.Name] = steps.Length == 0 ? apply(folder) : LoadAfterAsync(steps, folder);
        }

        private async Task<ModelLoadFailure?> LoadAfterAsync(Task[] steps, ModelFolder folder)
        {
            await Task.WhenAll(steps).ConfigureAwait(false);
            return await apply(folder).ConfigureAwait(false);
        }
    }
}
