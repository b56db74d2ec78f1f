using Microsoft.Extensions.Logging;
using Sluice.Control.AutoUpdate;
using Sluice.Control.Records;
using Sluice.Control.Registry;
using Sluice.Control.Store;
using Sluice.Inference;

namespace Sluice.Control;

/// <summary>The control plane of one replica: a snapshot that follows the store, and edits of it.</summary>
/// <remarks><b>Threads.</b> Any number of callers; one loop follows the store.</remarks>
public sealed class ControlPlane : IControlPlane, IAsyncDisposable
{
    private readonly ControlOptions _options;
    private readonly ControlStore _store;
    private readonly ModelRegistry _registry;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly SemaphoreSlim _refreshing = new(1);
    private readonly Lock _swap = new();
    private volatile ControlSnapshot _snapshot = new();
    private TaskCompletionSource _changed = NewSignal();
    private Task _following = Task.CompletedTask;
    private bool _hasSchema;
    private volatile byte[]? _secret;

    /// <summary>Creates it; nothing is opened yet.</summary>
    /// <param name="options">Where the state is.</param>
    /// <param name="loggers">For the parts.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="FormatException">The store's address is none.</exception>
    public ControlPlane(ControlOptions options, ILoggerFactory loggers, TimeProvider time)
    {
        _options = options;
        _time = time;
        _logger = loggers.CreateLogger<ControlPlane>();
        _store = new ControlStore(ControlDatabases.Create(options.Store), time);
        _registry = new ModelRegistry(_store, time);
        Statuses = new StatusBoard(new StatusStore(_store, time), options, time);
    }

    /// <inheritdoc/>
    public ControlSnapshot Snapshot => _snapshot;

    /// <summary>What models there are.</summary>
    public IModelRegistry Models => _registry;

    /// <summary>How endpoints stand, here and on other replicas.</summary>
    public StatusBoard Statuses { get; }

    /// <summary>Random bytes that all replicas of the store share, for signing; null until the store has been reached.</summary>
    public byte[]? Secret => _secret;

    internal ModelRegistry Registry => _registry;

    internal ControlStore Store => _store;

    internal TimeProvider Time => _time;

    /// <summary>Opens the store, reads it and begins to follow it.</summary>
    /// <remarks>A store that cannot be reached now is no failure: it is tried again until it can.</remarks>
    /// <exception cref="InferenceException"><see cref="InferenceCode.FailedPrecondition"/>: a newer program has written it.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            await RefreshAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (InferenceException error) when (error.Code == InferenceCode.Unavailable)
        {
            Lose(error);
        }

        _following = Task.WhenAll(
            FollowAsync(PollAsync), FollowAsync(ListenAsync), Statuses.RunAsync(_stopping.Token));
    }

    /// <inheritdoc/>
    public async Task<ControlSnapshot> WaitForChangeAsync(long sequence, CancellationToken cancellationToken)
    {
        while (true)
        {
            var signal = Volatile.Read(ref _changed);
            var snapshot = _snapshot;
            if (snapshot.Sequence > sequence)
                return snapshot;
            await signal.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public async Task<DesiredState> EditAsync(
        string serviceId, long? expectedRevision, EditNote note, Func<DesiredState, DesiredState> edit,
        CancellationToken cancellationToken)
    {
        await EnsureSchemaAsync(cancellationToken).ConfigureAwait(false);
        var state = await _store.EditAsync(
            serviceId, expectedRevision, note, current => VersionPolicy.Keep(edit(current)), cancellationToken).ConfigureAwait(false);
        Swap(snapshot => With(snapshot, state));
        return state;
    }

    /// <inheritdoc/>
    public async Task<DesiredState> CreateServiceAsync(
        string name, string project, ValueList<string> tags, string actor, CancellationToken cancellationToken)
    {
        await EnsureSchemaAsync(cancellationToken).ConfigureAwait(false);
        var service = new ServiceRecord(
            Guid.NewGuid().ToString("n"), name.Length == 0 ? ServiceRecord.DefaultName : name,
            project.Length == 0 ? ServiceRecord.DefaultProject : project, tags, _time.GetUtcNow(), _options.ProductVersion, false);
        var state = await _store.CreateServiceAsync(service, actor, cancellationToken).ConfigureAwait(false);
        Swap(snapshot => With(snapshot, state));
        return state;
    }

    /// <summary>Removes a service with all its records.</summary>
    /// <exception cref="InferenceException"><c>NotFound</c> or <c>Unavailable</c>.</exception>
    public async Task DeleteServiceAsync(string serviceId, string actor, CancellationToken cancellationToken)
    {
        await EnsureSchemaAsync(cancellationToken).ConfigureAwait(false);
        await _store.DeleteServiceAsync(serviceId, actor, cancellationToken).ConfigureAwait(false);
        Swap(snapshot => snapshot with { Services = snapshot.Services.Without(serviceId) });
    }

    /// <summary>Lists changes, newest first.</summary>
    /// <param name="serviceId">Only this service's; null = all.</param>
    /// <param name="beforeId">Only older ones than this; 0 = from the newest.</param>
    /// <param name="limit">Most entries.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<IReadOnlyList<AuditRecord>> ListAuditAsync(
        string? serviceId, long beforeId, int limit, CancellationToken cancellationToken) =>
        _store.ReadAuditAsync(serviceId, beforeId, limit, cancellationToken);

    /// <summary>Looks at the store now and takes over what others have changed.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        await EnsureSchemaAsync(cancellationToken).ConfigureAwait(false);
        await _refreshing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var revisions = await _store.ReadRevisionsAsync(cancellationToken).ConfigureAwait(false);
            var known = _snapshot;
            var fresh = new List<DesiredState>();
            foreach (var (id, revision) in revisions.Services)
            {
                if (known.Services.TryGetValue(id, out var state) && state.Revision >= revision)
                    continue;
                if (await _store.ReadServiceAsync(id, cancellationToken).ConfigureAwait(false) is { } read)
                    fresh.Add(read);
            }

            foreach (var state in fresh)
            {
                foreach (var (record, reason) in state.Unreadable)
                    ControlLog.RecordUnreadable(_logger, state.Service.Id, record, reason);
            }

            if (!known.IsStoreReachable)
                ControlLog.StoreBack(_logger);
            var present = revisions.Services.Select(service => service.Id).ToHashSet(StringComparer.Ordinal);
            Swap(snapshot => Merge(snapshot, known, fresh, present, revisions.Registry));
        }
        finally
        {
            _refreshing.Release();
        }

        await MarkServedAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _following.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Statuses.ForgetAsync().ConfigureAwait(false);
        await _store.DisposeAsync().ConfigureAwait(false);
        _stopping.Dispose();
        _refreshing.Dispose();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static ControlSnapshot With(ControlSnapshot snapshot, DesiredState state)
    {
        // The follower may have brought a later revision meanwhile.
        if (snapshot.Services.TryGetValue(state.Service.Id, out var known) && known.Revision >= state.Revision)
            return snapshot;
        return snapshot with { Services = snapshot.Services.With(state.Service.Id, state) };
    }

    private static ControlSnapshot Merge(
        ControlSnapshot snapshot, ControlSnapshot known, List<DesiredState> fresh, HashSet<string> present, long registry)
    {
        var merged = fresh.Aggregate(snapshot, With);

        // A service that was not known when the list was read may be newer than the list.
        foreach (var gone in known.Services.Keys.Where(id => !present.Contains(id)))
            merged = merged with { Services = merged.Services.Without(gone) };
        if (merged.RegistryRevision < registry)
            merged = merged with { RegistryRevision = registry };
        return merged.IsStoreReachable ? merged : merged with { IsStoreReachable = true };
    }

    private async Task EnsureSchemaAsync(CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _hasSchema))
            return;
        var before = await SchemaMigration.ApplyAsync(_store, Migrations.Steps, cancellationToken).ConfigureAwait(false);
        if (before < Migrations.Steps.Count)
            ControlLog.SchemaMigrated(_logger, _store.Database.DisplayName, Migrations.Steps.Count, before);
        _secret ??= await _store.ReadSecretAsync("tokens", cancellationToken).ConfigureAwait(false);
        Volatile.Write(ref _hasSchema, true);
    }

    private void Swap(Func<ControlSnapshot, ControlSnapshot> change)
    {
        lock (_swap)
        {
            var before = _snapshot;
            var after = change(before);
            if (ReferenceEquals(after, before))
                return;
            after = after with { Sequence = before.Sequence + 1, ServedServiceId = Choose(after) };
            _snapshot = after;
            Tell(before, after);
            Interlocked.Exchange(ref _changed, NewSignal()).SetResult();
        }
    }

    /// <summary>The service that is asked for, or the oldest: the same on every replica.</summary>
    private string? Choose(ControlSnapshot snapshot) => _options.ServiceId.Length > 0
        ? snapshot.Services.ContainsKey(_options.ServiceId) ? _options.ServiceId : null
        : snapshot.Services.Values.Select(state => state.Service).OrderBy(service => service.CreatedAt)
            .ThenBy(service => service.Id, StringComparer.Ordinal).FirstOrDefault()?.Id;

    private void Tell(ControlSnapshot before, ControlSnapshot after)
    {
        if (after.Served is not { } served || before.ServedServiceId == after.ServedServiceId)
            return;
        ControlLog.ServedServiceChosen(_logger, served.Service.Id, served.Service.Name, served.Revision);
        if (_options.ServiceId.Length == 0 && after.Services.Count > 1)
            ControlLog.ServedServiceAmbiguous(_logger, after.Services.Count, served.Service.Id);
    }

    private async Task MarkServedAsync(CancellationToken cancellationToken)
    {
        if (_snapshot.Served is not { Service.IsStarted: false } served)
            return;
        await _store.MarkStartedAsync(served.Service.Id, cancellationToken).ConfigureAwait(false);
        Swap(snapshot => snapshot.Services.TryGetValue(served.Service.Id, out var state)
            ? snapshot with
            {
                Services = snapshot.Services.With(
                    state.Service.Id, state with { Service = state.Service with { IsStarted = true } }),
            }
            : snapshot);
    }

    private void Lose(Exception error)
    {
        if (!_snapshot.IsStoreReachable)
            return;
        ControlLog.StoreLost(_logger, error.Message);
        Swap(snapshot => snapshot with { IsStoreReachable = false });
    }

    private Task PollAsync(CancellationToken cancellationToken) => Task.Delay(_options.PollPeriod, _time, cancellationToken);

    private async Task ListenAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _store.Database.WaitForNotificationAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            // The polling tells of a lost store; here it is only not hammered.
            await Task.Delay(TimeSpan.FromSeconds(1), _time, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task FollowAsync(Func<CancellationToken, Task> wait)
    {
        await Task.Yield();
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                await wait(_stopping.Token).ConfigureAwait(false);
                await RefreshAsync(_stopping.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (InferenceException error)
            {
                Lose(error);
            }
            catch (Exception error)
            {
                ControlLog.LoopFailed(_logger, error);
            }
        }
    }
}
