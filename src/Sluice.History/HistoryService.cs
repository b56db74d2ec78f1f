using Microsoft.Extensions.Logging;
using Sluice.Control.Store;
using Sluice.History.Points;
using Sluice.History.Recording;
using Sluice.History.Reports;
using Sluice.History.Series;
using Sluice.History.Store;
using Sluice.Inference;

namespace Sluice.History;

/// <summary>Knows what serves and what it did: looks at this replica's rows, takes others' reports, keeps both.</summary>
/// <remarks>
/// <para>Requests pay nothing for it: it reads what is counted anyway.</para>
/// <para><b>Threads.</b> Any number of callers; one loop samples and stores.</para>
/// </remarks>
public sealed class HistoryService : IAsyncDisposable
{
    // Between looks at what other replicas have stored.
    private static readonly TimeSpan LongestStep = TimeSpan.FromSeconds(5);

    // Looks at this replica's rows are shared by callers that come at the same time.
    private static readonly TimeSpan ShortestLook = TimeSpan.FromMilliseconds(200);

    private static readonly TimeSpan LongestStop = TimeSpan.FromSeconds(5);

    private static readonly double[] NoMachine = HistoryPoint.NoGauges();

    private readonly HistoryOptions _options;
    private readonly IServedRows _rows;
    private readonly string _replica;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly MachineReader _machine;
    private readonly SharedTables _shared;
    private readonly HistoryStore _store;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, RowRecorder> _recorders = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stopping = new();
    private MachineStatistics _lastMachine = new();
    private long? _lookedAt;
    private long _followedAt;
    private bool _hasStopped;
    private Task _running = Task.CompletedTask;

    /// <summary>Creates it; nothing is opened yet.</summary>
    /// <param name="options">How it is kept.</param>
    /// <param name="store">Address of the control plane's store; points go to a file beside it, or to the same server.</param>
    /// <param name="replica">This replica.</param>
    /// <param name="rows">What it serves.</param>
    /// <param name="logger">For what goes wrong.</param>
    /// <param name="time">The clock.</param>
    public HistoryService(HistoryOptions options, string store, string replica, IServedRows rows, ILogger<HistoryService> logger, TimeProvider time)
    {
        _options = options;
        _rows = rows;
        _replica = replica;
        _logger = logger;
        _time = time;
        _machine = new MachineReader(time, new KernelFiles());
        _shared = new SharedTables(SharedTables.Beside(store, "history", options.Folder), HistoryTables.VersionTable, HistoryTables.Steps, time);
        _store = new HistoryStore(_shared, options, logger, time);
        Registry = new ContainerRegistry(time);
    }

    /// <summary>What is believed alive.</summary>
    public ContainerRegistry Registry { get; }

    /// <summary>This replica's name.</summary>
    public string Replica => _replica;

    /// <summary>The clock.</summary>
    internal TimeProvider Time => _time;

    /// <summary>The history's own figures.</summary>
    public HistoryFigures Figures => new(
        _options.IsOn, _options.Interval, _options.Retention, _store.Sizes.SeriesCount, _store.Sizes.PointCount, _store.Sizes.ByteCount,
        _options.MaxBytes, _store.DroppedCount, _store.Fault);

    /// <summary>Begins to sample; nobody waits for the store.</summary>
    public void Start()
    {
        lock (_lock)
        {
            // Rates are those since the last look.
            _lastMachine = _machine.Read();
            if (!_hasStopped)
                _running = Task.Run(RunAsync);
        }
    }

    /// <summary>Takes what another program's container says.</summary>
    /// <exception cref="ServingException">There are too many containers.</exception>
    public void Report(ContainerReport report)
    {
        // What the machine is like only the history keeps.
        Registry.Report(report with { Machine = NoMachine });
        if (_options.IsOn)
            _store.Add(report.EndpointUrl!, report.ContainerId, report.ToPoint(_time.GetUtcNow().ToUnixTimeMilliseconds()));
    }

    /// <summary>Looks at this replica's rows, so that the registry shows how they stand now.</summary>
    public void Look()
    {
        lock (_lock)
        {
            if (_hasStopped || (_lookedAt is { } last && _time.GetElapsedTime(last) < ShortestLook))
                return;
            LookLocked(_rows.List(), isNews: false);
        }
    }

    /// <summary>Reads the points of an endpoint.</summary>
    /// <param name="url">Its address.</param>
    /// <param name="instance">Only this one; empty = all.</param>
    /// <param name="from">Begin.</param>
    /// <param name="to">End.</param>
    /// <param name="wanted">The interval that is asked for.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>The intervals that are answered, and the points by instance.</returns>
    public async Task<(HistoryRange Range, IReadOnlyList<InstancePoints> Instances)> ReadAsync(
        string url, string instance, DateTimeOffset from, DateTimeOffset to, TimeSpan wanted, CancellationToken cancellationToken)
    {
        var (tier, interval) = _store.Tiers.Choose(from, to, _time.GetUtcNow(), wanted);
        var range = new HistoryRange(from.ToUnixTimeMilliseconds(), to.ToUnixTimeMilliseconds(), (long)interval.TotalMilliseconds);
        if (!_options.IsOn)
            return (range, []);

        // A joint point stands at the begin of its stretch, which may lie before the begin that is asked for.
        var begin = range.FromMilliseconds - (long)tier.Step.TotalMilliseconds;
        var points = await _store.ReadAsync(url, instance, tier, begin, range.ToMilliseconds, cancellationToken).ConfigureAwait(false);
        return (range with { FromMilliseconds = tier.Number == 0 ? range.FromMilliseconds : range.First }, points);
    }

    /// <summary>Samples once, stores, and learns what other replicas have stored.</summary>
    internal async Task SampleAsync(CancellationToken cancellationToken)
    {
        Keep();
        if (_options.IsOn)
            await _store.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Writes containers that changed here and reads those that changed elsewhere.</summary>
    internal async Task FollowAsync(CancellationToken cancellationToken)
    {
        var changes = Registry.TakeChanges();
        if (!_options.IsOn)
            return;
        try
        {
            var now = _time.GetUtcNow();
            if (changes.Count > 0)
                await _store.Tables.WriteContainersAsync(
                    changes, now.ToUnixTimeMilliseconds(), (now - ContainerRegistry.DefaultTimeout).ToUnixTimeMilliseconds(), cancellationToken).ConfigureAwait(false);
            changes = [];

            // Others' clocks differ a little, and their transactions end after their times.
            var since = _followedAt - (long)TimeSpan.FromSeconds(30).TotalMilliseconds;
            foreach (var (key, entry) in await _store.Tables.ReadContainersAsync(since, cancellationToken).ConfigureAwait(false))
                Registry.Follow(key, entry);
            _followedAt = now.ToUnixTimeMilliseconds();
        }
        catch (InferenceException error)
        {
            _store.Lose(error);
        }
        finally
        {
            Registry.ReturnChanges(changes.Select(change => change.Key));
        }
    }

    /// <summary>Says that this replica does not serve any more, keeps the last sample, and ends; within <see cref="LongestStop"/>, since what
    /// serves is to end in order, too.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(LongestStop, _time);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await _stopping.CancelAsync().ConfigureAwait(false);
            await _running.WaitAsync(ending.Token).ConfigureAwait(false);
            await StoreLastAsync(ending.Token).WaitAsync(ending.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // What was not written is lost; others forget this replica when it has been silent for long enough.
        }
        catch (Exception error)
        {
            HistoryLog.StepFailed(_logger, error);
        }
    }

    private async Task StoreLastAsync(CancellationToken cancellationToken)
    {
        Keep();
        lock (_lock)
        {
            if (_hasStopped)
                return;
            _hasStopped = true;
        }

        foreach (var url in _recorders.Keys)
            Registry.Remove(ContainerEntry.KeyOf(_replica, url));
        await FollowAsync(cancellationToken).ConfigureAwait(false);
        if (_options.IsOn)
            await _store.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
        await _shared.DisposeAsync().ConfigureAwait(false);
    }

    private async Task RunAsync()
    {
        var step = _options.Interval < LongestStep ? _options.Interval : LongestStep;
        using var timer = new PeriodicTimer(step, _time);
        var sampledAt = _time.GetTimestamp();
        try
        {
            Look();
            do
            {
                try
                {
                    await FollowAsync(_stopping.Token).ConfigureAwait(false);
                    if (_time.GetElapsedTime(sampledAt) < _options.Interval - (step / 2))
                        continue;
                    sampledAt = _time.GetTimestamp();
                    await SampleAsync(_stopping.Token).ConfigureAwait(false);
                }
                catch (Exception error) when (error is not OperationCanceledException)
                {
                    // Whatever it is, the next step is tried, and serving knows nothing of it.
                    HistoryLog.StepFailed(_logger, error);
                }
            }
            while (await timer.WaitForNextTickAsync(_stopping.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
        }
    }

    private void Keep()
    {
        lock (_lock)
        {
            if (_hasStopped)
                return;
            _lastMachine = _machine.Read();
            var rows = _rows.List();
            foreach (var row in rows)
            {
                var point = RecorderOf(row.Url).Keep(row, _lastMachine);
                if (_options.IsOn && row.Phase is Control.Records.EndpointPhase.Ready or Control.Records.EndpointPhase.Draining)
                    _store.Add(row.Url, _replica, point);
            }

            LookLocked(rows, isNews: true);
        }
    }

    private void LookLocked(IReadOnlyList<ServedRow> rows, bool isNews)
    {
        _lookedAt = _time.GetTimestamp();
        var timeout = TimeSpan.FromSeconds(Math.Max(20, 4 * _options.Interval.TotalSeconds));
        foreach (var row in rows)
            Registry.Report(RecorderOf(row.Url).Look(row, _replica, _lastMachine, timeout), isNews);
        foreach (var gone in _recorders.Keys.Except(rows.Select(row => row.Url), StringComparer.Ordinal).ToList())
        {
            _recorders.Remove(gone);
            Registry.Remove(ContainerEntry.KeyOf(_replica, gone));
        }
    }

    private RowRecorder RecorderOf(string url)
    {
        if (!_recorders.TryGetValue(url, out var recorder))
            _recorders[url] = recorder = new RowRecorder(_time);
        return recorder;
    }
}

/// <summary>The history's own figures.</summary>
/// <param name="IsOn">It is kept.</param>
/// <param name="Interval">Time between samples.</param>
/// <param name="Retention">How long it is kept.</param>
/// <param name="SeriesCount">Instances of endpoints.</param>
/// <param name="PointCount">Points.</param>
/// <param name="ByteCount">Their bytes in the store.</param>
/// <param name="MaxBytes">Most of them.</param>
/// <param name="DroppedCount">Points that were given up.</param>
/// <param name="Fault">Why the store could not be used the last time; empty = it could.</param>
public sealed record HistoryFigures(
    bool IsOn, TimeSpan Interval, TimeSpan Retention, long SeriesCount, long PointCount, long ByteCount, long MaxBytes, long DroppedCount, string Fault);
