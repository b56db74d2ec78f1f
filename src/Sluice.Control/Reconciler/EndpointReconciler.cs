using Microsoft.Extensions.Logging;
using Sluice.Control.Artifacts;
using Sluice.Control.Endpoints;
using Sluice.Control.Records;
using Sluice.Control.Registry;
using Sluice.Inference;
using Sluice.Models;

namespace Sluice.Control.Reconciler;

/// <summary>Follows the desired state and brings this replica's endpoints to it, each by itself.</summary>
/// <remarks>
/// <para>While the store cannot be reached everything stays as it is.</para>
/// <para><b>Threads.</b> Started once, disposed once.</para>
/// </remarks>
public sealed class EndpointReconciler : IAsyncDisposable
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(1);

    private readonly IControlPlane _control;
    private readonly IModelRegistry _registry;
    private readonly EndpointTable _table;
    private readonly ReconcilerOptions _options;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly SlotParts _parts;
    private readonly Dictionary<string, EndpointSlot> _slots = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ModelRecord> _models = new(StringComparer.Ordinal);
    private readonly TaskCompletionSource _settled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stopping = new();
    private Task _following = Task.CompletedTask;
    private Dictionary<(string ServiceId, string Key), string> _clashes = [];

    /// <summary>Connects the parts; does nothing yet.</summary>
    /// <param name="control">The desired state.</param>
    /// <param name="registry">Finds models.</param>
    /// <param name="artifacts">Fetches files.</param>
    /// <param name="statuses">Told how endpoints stand.</param>
    /// <param name="models">Models that this server runs itself.</param>
    /// <param name="engines">Engines of endpoints, the first that takes a plan loads it; owned by the caller.</param>
    /// <param name="table">What calls look endpoints up in.</param>
    /// <param name="calls">The way by which user code calls endpoints.</param>
    /// <param name="options">How.</param>
    /// <param name="logger">A line per endpoint that comes, fails or goes.</param>
    /// <param name="time">Waits.</param>
    public EndpointReconciler(
        IControlPlane control, IModelRegistry registry, IArtifactCache artifacts, IEndpointStatusSink statuses, ModelLifecycle models,
        IReadOnlyList<IEndpointEngine> engines, EndpointTable table, IEndpointCalls calls, ReconcilerOptions options,
        ILogger<EndpointReconciler> logger, TimeProvider time)
    {
        _control = control;
        _registry = registry;
        _table = table;
        _options = options;
        _logger = logger;
        _time = time;
        var loader = new EndpointLoader(models, engines, artifacts, calls, options.WorkFolder);
        _parts = new SlotParts(loader, table, statuses, options, logger, time);
    }

    /// <summary>Completes when each endpoint of the first state has been tried once.</summary>
    public Task Settled => _settled.Task;

    /// <summary>Begins to follow.</summary>
    /// <exception cref="IOException">The work folder cannot be made.</exception>
    public void Start()
    {
        if (Directory.Exists(_options.WorkFolder))
            Directory.Delete(_options.WorkFolder, recursive: true);
        Directory.CreateDirectory(_options.WorkFolder);
        _following = Task.Run(() => FollowAsync(_stopping.Token));
    }

    /// <summary>Stops following, lets all calls end and disposes what runs.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _following.ConfigureAwait(false);
        _settled.TrySetResult();
        await Task.WhenAll(_slots.Values.Select(slot => slot.StopAsync())).ConfigureAwait(false);
        await _parts.DrainAsync().ConfigureAwait(false);
        foreach (var slot in _slots.Values)
            slot.Dispose();
        _parts.Dispose();
        _stopping.Dispose();
    }

    private async Task FollowAsync(CancellationToken cancellationToken)
    {
        var sequence = -1L;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                var snapshot = await _control.WaitForChangeAsync(sequence, cancellationToken).ConfigureAwait(false);
                await ApplyAsync(snapshot, cancellationToken).ConfigureAwait(false);
                sequence = snapshot.Sequence;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            // What is loaded stays; the same state is tried again.
            catch (Exception error)
            {
                _logger.FollowFailed(error.Message);
                await Task.Delay(RetryDelay, _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task ApplyAsync(ControlSnapshot snapshot, CancellationToken cancellationToken)
    {
        var states = ServedServices.List(snapshot, _options.ServesAllServices).ToList();
        var targets = new Dictionary<string, (EndpointTarget Target, long Revision)>(StringComparer.Ordinal);
        var clashes = new Dictionary<(string ServiceId, string Key), string>();
        foreach (var state in states)
        {
            await FindModelsAsync(state, cancellationToken).ConfigureAwait(false);
            foreach (var (key, target) in EndpointTargets.List(state, _models.GetValueOrDefault, _options))
            {
                if (!targets.TryAdd(key, (target, state.Revision)))
                    clashes[(state.Service.Id, key)] = $"service '{targets[key].Target.ServiceId}' has an endpoint of that name, which this server serves";
            }
        }

        foreach (var (key, slot) in _slots)
        {
            if (!targets.ContainsKey(key))
                slot.Want(null, 0);
        }

        foreach (var (key, (target, revision)) in targets)
        {
            if (!_slots.TryGetValue(key, out var slot))
                _slots[key] = slot = new EndpointSlot(key, _parts);
            slot.Want(target, revision);
        }

        TellClashes(clashes);
        _table.SetSampling(states.Select(state => ServiceSampling.Of(state, _options.LogFrequency, _options.KafkaServer)));
        _table.SetCanaries(states.SelectMany(state => state.Canaries.Values.Select(canary => (state.Service.Id, canary))));
        foreach (var gone in _slots.Where(pair => pair.Value.IsGone).Select(pair => pair.Key).ToList())
            _slots.Remove(gone);
        if (!_settled.Task.IsCompleted && snapshot.IsStoreReachable)
            _ = SettleAsync(Task.WhenAll(_slots.Values.Select(slot => slot.Tried)));
    }

    /// <summary>Two services may want one name; the older one has it, and the other is told.</summary>
    private void TellClashes(Dictionary<(string ServiceId, string Key), string> clashes)
    {
        var statuses = _parts.Statuses;
        foreach (var (serviceId, key) in _clashes.Keys.Where(known => !clashes.ContainsKey(known)))
        {
            if (!_slots.TryGetValue(key, out var slot) || slot.ServiceId != serviceId)
                statuses.Remove(serviceId, key);
        }

        foreach (var ((serviceId, key), reason) in clashes)
        {
            if (_clashes.GetValueOrDefault((serviceId, key)) != reason)
                statuses.Report(new EndpointStatus(statuses.Replica, serviceId, key, EndpointPhase.Failed) { Reason = reason });
        }

        _clashes = clashes;
    }

    private async Task SettleAsync(Task tried)
    {
        await tried.ConfigureAwait(false);
        _settled.TrySetResult();
    }

    /// <summary>A model's file never changes, so that each is looked up once; what is missing is looked for at each change.</summary>
    private async Task FindModelsAsync(DesiredState state, CancellationToken cancellationToken)
    {
        foreach (var id in EndpointTargets.ModelIds(state))
        {
            if (!_models.ContainsKey(id) && await _registry.FindAsync(id, cancellationToken).ConfigureAwait(false) is { } model)
                _models[id] = model;
        }
    }
}
