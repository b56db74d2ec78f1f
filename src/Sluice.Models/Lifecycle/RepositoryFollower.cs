using Microsoft.Extensions.Logging;
using Sluice.Inference;

namespace Sluice.Models;

/// <summary>Compares the repositories with what was seen last and hands on the differences.</summary>
/// <remarks><b>Threads.</b> One call of <see cref="FollowAsync"/> at a time.</remarks>
internal sealed class RepositoryFollower(
    ModelRepository repository,
    Func<ModelFolder, Task<ModelLoadFailure?>> apply,
    Func<string, Task> unload,
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
        var failures = await Task.WhenAll(changed.Select(apply)).ConfigureAwait(false);
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
}
