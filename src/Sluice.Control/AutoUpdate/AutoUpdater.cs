using Microsoft.Extensions.Logging;
using Sluice.Control.Reconciler;
using Sluice.Control.Records;
using Sluice.Control.Registry;

namespace Sluice.Control.AutoUpdate;

/// <summary>Watches the registry for the monitors of the served service and gives numbers to the models they serve.</summary>
/// <remarks>
/// <para>Numbers are given in the transaction that reads the ones given so far, so that any number of replicas agree. A monitor that fails
/// holds up no other and is tried again.</para>
/// <para><b>Threads.</b> Started once, disposed once.</para>
/// </remarks>
/// <param name="control">The desired state.</param>
/// <param name="registry">What models there are.</param>
/// <param name="servesAllServices">See <see cref="ReconcilerOptions.ServesAllServices"/>.</param>
/// <param name="logger">A line per change.</param>
/// <param name="time">Waits.</param>
public sealed class AutoUpdater(
    IControlPlane control, IModelRegistry registry, bool servesAllServices, ILogger<AutoUpdater> logger, TimeProvider time) : IAsyncDisposable
{
    /// <summary>What the audit log calls it.</summary>
    public const string Actor = "auto-update";

    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(2);

    private readonly CancellationTokenSource _stopping = new();
    private Task _following = Task.CompletedTask;

    /// <summary>Begins to watch.</summary>
    public void Start() => _following = Task.Run(() => FollowAsync(_stopping.Token));

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _following.ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async Task FollowAsync(CancellationToken cancellationToken)
    {
        var sequence = -1L;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                var snapshot = await control.WaitForChangeAsync(sequence, cancellationToken).ConfigureAwait(false);
                sequence = snapshot.Sequence;
                var isWell = true;
                foreach (var state in ServedServices.List(snapshot, servesAllServices))
                    isWell &= await UpdateAsync(state, cancellationToken).ConfigureAwait(false);
                if (isWell)
                    continue;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception error)
            {
                logger.MonitorFailed("*", error.Message);
            }

            // Something failed: the same state is looked at again.
            sequence = -1;
            await Task.Delay(RetryDelay, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <returns>False when some monitor failed.</returns>
    private async Task<bool> UpdateAsync(DesiredState state, CancellationToken cancellationToken)
    {
        var isWell = true;
        foreach (var monitor in state.Monitors.Values)
        {
            try
            {
                await UpdateAsync(state, monitor, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception error) when (error is not OperationCanceledException)
            {
                logger.MonitorFailed(monitor.BaseServingUrl, error.Message);
                isWell = false;
            }
        }

        return isWell;
    }

    private async Task UpdateAsync(DesiredState state, MonitorSpec monitor, CancellationToken cancellationToken)
    {
        var found = await registry.QueryAsync(
            new ModelQuery
            {
                Project = monitor.MonitorProject,
                Name = monitor.MonitorName,
                Tags = monitor.MonitorTags,
                OnlyPublished = monitor.OnlyPublished,
                Limit = Math.Max(1, monitor.MaxVersions ?? 1),
            },
            cancellationToken).ConfigureAwait(false);
        string[] models = [.. found.Select(model => model.Id)];
        var now = time.GetUtcNow();
        if (ReferenceEquals(VersionPolicy.Assign(monitor, state.AssignedVersions, models, now), state.AssignedVersions))
            return;
        var edited = await control.EditAsync(
            state.Service.Id, null, new EditNote(Actor, "versions.assign", monitor.BaseServingUrl),
            current => current.Monitors.TryGetValue(monitor.BaseServingUrl, out var same) && same == monitor
                ? Assign(current, monitor, models, now)
                : current,
            cancellationToken).ConfigureAwait(false);
        var versions = string.Join(
            ", ", edited.AssignedVersions.Where(v => v.IsLive && v.BaseServingUrl == monitor.BaseServingUrl).Select(v => v.Version));
        logger.VersionsAssigned(monitor.BaseServingUrl, versions);
    }

    private static DesiredState Assign(DesiredState current, MonitorSpec monitor, string[] models, DateTimeOffset now)
    {
        var versions = VersionPolicy.Assign(monitor, current.AssignedVersions, models, now);
        return ReferenceEquals(versions, current.AssignedVersions) ? current : current with { AssignedVersions = versions };
    }
}
