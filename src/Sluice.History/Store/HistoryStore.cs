using Microsoft.Extensions.Logging;
using Sluice.Control.Store;
using Sluice.History.Points;
using Sluice.History.Series;
using Sluice.Inference;

namespace Sluice.History.Store;

/// <summary>Keeps points: those of the last moments in memory, all others in tables that stay within their bytes.</summary>
/// <remarks>
/// <para>A store that cannot be written hurts nobody: points wait in memory, at most <see cref="MostPending"/>, then the oldest are given up
/// and counted; it is told once, and again when it works.</para>
/// <para><b>Threads.</b> Any number of callers of <see cref="Add"/> and of reads; one of the others at a time.</para>
/// </remarks>
internal sealed class HistoryStore(SharedTables shared, HistoryOptions options, ILogger logger, TimeProvider time)
{
    /// <summary>Most points that wait for the store; each takes about 300 bytes.</summary>
    public const int MostPending = 50_000;

    private const int MostStretches = 48;
    private const int MostPurges = 20;

    // Reports that come faster than this are joined, so that nobody's hurry fills the store.
    private static readonly TimeSpan ShortestStretch = TimeSpan.FromSeconds(10);

    // Replicas write a little late; a point that comes later than this stays in the finest tier only.
    private static readonly TimeSpan JoinDelay = TimeSpan.FromMinutes(2);

    private readonly HistoryTables _tables = new(shared);
    private readonly HistoryTiers _tiers = new(options.Retention);
    private readonly Lock _lock = new();
    private readonly LinkedList<SeriesPoint> _pending = [];
    private readonly Dictionary<(string Url, string Instance), LinkedListNode<SeriesPoint>> _last = [];
    private List<SeriesPoint> _flushing = [];
    private long _droppedCount;
    private DateTimeOffset _seriesPurgedAt;

    /// <summary>Points that were given up.</summary>
    public long DroppedCount => Interlocked.Read(ref _droppedCount);

    /// <summary>Why the store could not be used the last time; empty = it could.</summary>
    public string Fault { get; private set; } = "";

    /// <summary>Most instances of endpoints, about 200 bytes each; points of further ones are given up.</summary>
    public int MostSeries { get; init; } = 300_000;

    /// <summary>The tables.</summary>
    public HistoryTables Tables => _tables;

    /// <summary>The resolutions.</summary>
    public HistoryTiers Tiers => _tiers;

    /// <summary>What is kept in the store, as of the last flush.</summary>
    public TableSizes Sizes { get; private set; }

    /// <summary>Adds a point of this moment.</summary>
    public void Add(string url, string instance, HistoryPoint point)
    {
        lock (_lock)
        {
            var key = (url, instance);
            if (Sizes.SeriesCount >= MostSeries && !_tables.Knows(key))
            {
                Interlocked.Increment(ref _droppedCount);
                return;
            }

            if (_last.TryGetValue(key, out var last) && point.At - last.Value.Point.At < ShortestStretch.TotalMilliseconds)
            {
                last.Value = last.Value with { Point = HistoryPoint.Join(last.Value.Point.At, [last.Value.Point, point]) };
                return;
            }

            _last[key] = _pending.AddLast(new SeriesPoint(url, instance, point));
            while (_pending.Count > MostPending)
                DropOldest();
        }
    }

    /// <summary>Writes what waits, joins what is old enough and removes what is too old or too much.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        List<SeriesPoint> flushing;
        lock (_lock)
        {
            flushing = [.. _pending];
            _flushing = flushing;
            _pending.Clear();
            _last.Clear();
        }

        var isWritten = flushing.Count == 0;
        try
        {
            if (!isWritten)
                await _tables.AppendAsync(flushing, cancellationToken).ConfigureAwait(false);
            isWritten = true;
            await MaintainAsync(cancellationToken).ConfigureAwait(false);
            Sizes = await _tables.ReadSizesAsync(cancellationToken).ConfigureAwait(false);
            Find();
        }
        catch (InferenceException error)
        {
            Lose(error);
        }
        finally
        {
            lock (_lock)
            {
                _flushing = [];
                if (!isWritten)
                    TakeBack(flushing);
            }
        }
    }

    /// <summary>Reads an endpoint's points; while the store is away only what waits for it.</summary>
    /// <param name="url">The endpoint.</param>
    /// <param name="instance">Only this one; empty = all.</param>
    /// <param name="tier">The resolution.</param>
    /// <param name="from">Begin, milliseconds since 1970.</param>
    /// <param name="to">End.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public async Task<IReadOnlyList<InstancePoints>> ReadAsync(
        string url, string instance, HistoryTier tier, long from, long to, CancellationToken cancellationToken)
    {
        IReadOnlyList<(string Instance, HistoryPoint Point)> stored = [];
        List<SeriesPoint> waiting;
        lock (_lock)
            waiting = [.. _flushing.Concat(_pending).Where(point => point.Url == url && (instance.Length == 0 || point.Instance == instance) && point.Point.At >= from && point.Point.At <= to)];
        try
        {
            stored = await _tables.ReadAsync(url, instance, tier, from, to, cancellationToken).ConfigureAwait(false);
        }
        catch (InferenceException error)
        {
            Lose(error);
        }

        // What is being written at this moment may be read twice.
        return
        [
            .. stored.Concat(waiting.Select(point => (point.Instance, point.Point))).GroupBy(pair => pair.Item1, StringComparer.Ordinal)
                .OrderBy(group => group.Key, StringComparer.Ordinal)
                .Select(group => new InstancePoints(group.Key, [.. group.Select(pair => pair.Item2).DistinctBy(point => point.At).OrderBy(point => point.At)])),
        ];
    }

    /// <summary>Notes that the store could not be used.</summary>
    public void Lose(InferenceException error)
    {
        if (shared.SetAside(error) is { } aside)
        {
            _tables.Forget();
            HistoryLog.SetAside(logger, shared.DisplayName, aside);
        }

        if (Fault.Length == 0)
            HistoryLog.StoreLost(logger, shared.DisplayName, error.Message);
        Fault = error.Message;
    }

    private void Find()
    {
        if (Fault.Length > 0)
            HistoryLog.StoreFound(logger, shared.DisplayName);
        Fault = "";
    }

    private void TakeBack(List<SeriesPoint> points)
    {
        for (var i = points.Count - 1; i >= 0; i--)
            _pending.AddFirst(points[i]);
        while (_pending.Count > MostPending)
            DropOldest();
    }

    private void DropOldest()
    {
        var oldest = _pending.First!;
        _pending.RemoveFirst();
        if (_last.TryGetValue((oldest.Value.Url, oldest.Value.Instance), out var last) && last == oldest)
            _last.Remove((oldest.Value.Url, oldest.Value.Instance));
        Interlocked.Increment(ref _droppedCount);
    }

    private async Task MaintainAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        foreach (var tier in _tiers.All)
        {
            while (tier.Number > 0 && await _tables.JoinAsync(
                tier, (now - JoinDelay).ToUnixTimeMilliseconds(), MostStretches, cancellationToken).ConfigureAwait(false) == MostStretches)
            {
                // There may be more.
            }
        }

        // Only now: a server that was off for days has yet to join what is too old to stay as it is.
        foreach (var tier in _tiers.All)
            await _tables.PurgeAsync(tier.Number, (now - tier.Retention).ToUnixTimeMilliseconds(), cancellationToken).ConfigureAwait(false);

        if (now - _seriesPurgedAt > TimeSpan.FromHours(6))
        {
            _seriesPurgedAt = now;
            var isFull = Sizes.SeriesCount >= MostSeries;
            await _tables.PurgeSeriesAsync((now - options.Retention - TimeSpan.FromDays(2)).ToUnixTimeMilliseconds(), isFull, cancellationToken).ConfigureAwait(false);
        }

        await ShrinkAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Gives up the oldest tenth of the finest tier that has any, until all fits.</summary>
    private async Task ShrinkAsync(CancellationToken cancellationToken)
    {
        for (var i = 0; i < MostPurges; i++)
        {
            if ((await _tables.ReadSizesAsync(cancellationToken).ConfigureAwait(false)).ByteCount <= options.MaxBytes)
                return;
            foreach (var tier in _tiers.All)
            {
                if (await _tables.FindSpanAsync(tier.Number, cancellationToken).ConfigureAwait(false) is not { } span)
                    continue;
                var before = span.Oldest + Math.Max(1, (span.Newest - span.Oldest) / 10);
                Interlocked.Add(ref _droppedCount, await _tables.PurgeAsync(tier.Number, before, cancellationToken).ConfigureAwait(false));
                break;
            }
        }
    }
}
