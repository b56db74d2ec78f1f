using System.Data.Common;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dapper;
using Sluice.Control.Store;
using Sluice.History.Points;
using Sluice.History.Reports;
using Sluice.History.Series;

namespace Sluice.History.Store;

/// <summary>One point of one instance of an endpoint.</summary>
/// <param name="Url">The endpoint.</param>
/// <param name="Instance">The instance.</param>
/// <param name="Point">What it did.</param>
internal sealed record SeriesPoint(string Url, string Instance, HistoryPoint Point);

/// <summary>What the tables hold.</summary>
/// <param name="SeriesCount">Instances of endpoints.</param>
/// <param name="PointCount">Points.</param>
/// <param name="ByteCount">Bytes, <see cref="HistoryTables.PointOverheadBytes"/> per point included.</param>
internal readonly record struct TableSizes(long SeriesCount, long PointCount, long ByteCount);

/// <summary>The history's tables and all their SQL: points by series and time, and the containers that replicas know.</summary>
/// <remarks><b>Threads.</b> Any number of callers, also in other processes.</remarks>
internal sealed class HistoryTables(SharedTables tables)
{
    /// <summary>What a row and its two index entries take beside the point.</summary>
    public const int PointOverheadBytes = 96;

    /// <summary>Where the version of the schema stands.</summary>
    public const string VersionTable = "history_version";

    private const string Empty = " OR NOT EXISTS (SELECT 1 FROM history_points WHERE series_id = history_series.id)";

    private static readonly JsonSerializerOptions Json = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    // Ids of series that this process has written lately.
    private readonly Dictionary<(string Url, string Instance), long> _ids = [];

    /// <summary>The schema's steps; released ones are never edited. Times are milliseconds since 1970.</summary>
    public static IReadOnlyList<string> Steps { get; } =
    [
        """
        CREATE TABLE history_series (
            id {identity}, url TEXT NOT NULL, instance TEXT NOT NULL, seen_at BIGINT NOT NULL, UNIQUE (url, instance));
        CREATE TABLE history_points (
            series_id BIGINT NOT NULL, tier BIGINT NOT NULL, at BIGINT NOT NULL, body {bytes} NOT NULL, PRIMARY KEY (series_id, tier, at));
        CREATE INDEX history_points_by_time ON history_points (tier, at);
        CREATE TABLE history_totals (
            id BIGINT PRIMARY KEY, point_count BIGINT NOT NULL, byte_count BIGINT NOT NULL, joined_1 BIGINT NOT NULL, joined_2 BIGINT NOT NULL);
        INSERT INTO history_totals (id, point_count, byte_count, joined_1, joined_2) VALUES (1, 0, 0, 0, 0);
        CREATE TABLE history_containers (
            key TEXT PRIMARY KEY, body TEXT NOT NULL, changed_at BIGINT NOT NULL, expires_at BIGINT NOT NULL);
        CREATE INDEX history_containers_by_change ON history_containers (changed_at);
        """,
    ];

    /// <summary>Adds points as they were reported; all or none.</summary>
    public async Task AppendAsync(IReadOnlyList<SeriesPoint> points, CancellationToken cancellationToken)
    {
        var found = new Dictionary<(string Url, string Instance), long>();
        await tables.WriteAsync(
            async (connection, transaction) =>
            {
                found.Clear();
                var rows = new List<PointRow>(points.Count);
                foreach (var (url, instance, point) in points)
                {
                    if (!TryFindId(found, (url, instance), out var id))
                        found[(url, instance)] = id = await FindSeriesAsync(connection, transaction, url, instance, point.At).ConfigureAwait(false);
                    rows.Add(new PointRow(id, 0, point));
                }

                await InsertAsync(connection, transaction, rows).ConfigureAwait(false);
                return rows.Count;
            },
            cancellationToken).ConfigureAwait(false);

        // Only now: what a transaction that was undone has made is not there.
        lock (_ids)
        {
            foreach (var (series, id) in found)
                _ids[series] = id;
        }
    }

    /// <summary>Reads an endpoint's points of a stretch of time: of the given tier, and of finer ones what that does not have yet.</summary>
    /// <returns>By instance and time.</returns>
    public Task<IReadOnlyList<(string Instance, HistoryPoint Point)>> ReadAsync(
        string url, string instance, HistoryTier tier, long from, long to, CancellationToken cancellationToken) => tables.ReadAsync(
        async connection =>
        {
            var joined = await connection.QuerySingleAsync<(long First, long Second)>("SELECT joined_1, joined_2 FROM history_totals WHERE id = 1")
                .ConfigureAwait(false);
            var (second, first) = (tier.Number == 2 ? joined.Second : 0, tier.Number > 0 ? Math.Max(joined.First, tier.Number == 2 ? joined.Second : 0) : 0);
            var rows = await connection.QueryAsync<(string Instance, long At, byte[] Body)>(
                $"""
                SELECT s.instance, p.at, p.body FROM history_series s JOIN history_points p ON p.series_id = s.id
                WHERE s.url = @url {(instance.Length > 0 ? "AND s.instance = @instance" : "")} AND p.at >= @from AND p.at <= @to AND
                    ((p.tier = 2 AND p.at < @second) OR (p.tier = 1 AND p.at >= @second AND p.at < @first) OR (p.tier = 0 AND p.at >= @first))
                ORDER BY s.instance, p.at
                """,
                new { url, instance, from, to, first, second }).ConfigureAwait(false);
            return (IReadOnlyList<(string, HistoryPoint)>)
                [.. rows.Select(row => (row.Instance, Point: PointCodec.Read(row.At, row.Body)!)).Where(row => row.Point is not null)];
        },
        cancellationToken);

    /// <summary>Joins points that are old enough into the next coarser tier, some stretches at a time.</summary>
    /// <returns>How many stretches were joined; 0 = there is nothing to do.</returns>
    public Task<int> JoinAsync(HistoryTier tier, long until, int mostStretches, CancellationToken cancellationToken) => tables.WriteAsync(
        async (connection, transaction) =>
        {
            var step = (long)tier.Step.TotalMilliseconds;
            var end = until / step * step;
            var joined = await connection.ExecuteScalarAsync<long>(
                $"SELECT joined_{tier.Number} FROM history_totals WHERE id = 1{tables.ForUpdate}", transaction: transaction).ConfigureAwait(false);
            if (joined >= end)
                return 0;
            var finer = tier.Number - 1;

            // What nobody wrote in is passed over, so that a server that was off for a week does not walk through it.
            var oldest = await connection.ExecuteScalarAsync<long?>(
                "SELECT min(at) FROM history_points WHERE tier = @finer AND at >= @joined", new { finer, joined }, transaction).ConfigureAwait(false);
            var begin = Math.Min(end, Math.Max(joined, (oldest ?? end) / step * step));
            end = Math.Min(end, begin + (mostStretches * step));
            var rows = await connection.QueryAsync<(long SeriesId, long At, byte[] Body)>(
                "SELECT series_id, at, body FROM history_points WHERE tier = @finer AND at >= @begin AND at < @end ORDER BY at",
                new { finer, begin, end }, transaction).ConfigureAwait(false);
            var stretches = rows.Select(row => (row.SeriesId, Point: PointCodec.Read(row.At, row.Body)!)).Where(row => row.Point is not null)
                .GroupBy(row => (row.SeriesId, Begin: row.Point.At / step * step))
                .Select(group => new PointRow(group.Key.SeriesId, tier.Number, HistoryPoint.Join(group.Key.Begin, [.. group.Select(row => row.Point)])))
                .ToList();
            await InsertAsync(connection, transaction, stretches).ConfigureAwait(false);
            await connection.ExecuteAsync(
                $"UPDATE history_totals SET joined_{tier.Number} = @end WHERE id = 1", new { end }, transaction).ConfigureAwait(false);
            foreach (var series in stretches.Select(row => row.SeriesId).Distinct())
                await connection.ExecuteAsync("UPDATE history_series SET seen_at = @end WHERE id = @series", new { end, series }, transaction).ConfigureAwait(false);
            return (int)Math.Max(1, (end - begin) / step);
        },
        cancellationToken);

    /// <summary>Removes a tier's points from before a time.</summary>
    /// <returns>How many.</returns>
    public Task<long> PurgeAsync(int tier, long before, CancellationToken cancellationToken) => tables.WriteAsync(
        async (connection, transaction) =>
        {
            // Two replicas that remove the same points must not both count them.
            await connection.ExecuteScalarAsync<long>($"SELECT id FROM history_totals WHERE id = 1{tables.ForUpdate}", transaction: transaction)
                .ConfigureAwait(false);
            var (count, bytes) = await connection.QuerySingleAsync<(long, long)>(
                "SELECT count(*), coalesce(sum(length(body)), 0) FROM history_points WHERE tier = @tier AND at < @before", new { tier, before }, transaction)
                .ConfigureAwait(false);
            if (count == 0)
                return 0;
            await connection.ExecuteAsync("DELETE FROM history_points WHERE tier = @tier AND at < @before", new { tier, before }, transaction).ConfigureAwait(false);
            await CountAsync(connection, transaction, -count, -bytes).ConfigureAwait(false);
            return count;
        },
        cancellationToken);

    /// <summary>Forgets what was read: the tables are others now.</summary>
    public void Forget()
    {
        lock (_ids)
            _ids.Clear();
    }

    /// <summary>Tells whether this process has written a series lately.</summary>
    public bool Knows((string Url, string Instance) series)
    {
        lock (_ids)
            return _ids.ContainsKey(series);
    }

    /// <summary>Removes series that nothing was written to since a time that is longer ago than any point is kept.</summary>
    /// <param name="before">That time.</param>
    /// <param name="isFull">Also all others that have no points.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    public async Task PurgeSeriesAsync(long before, bool isFull, CancellationToken cancellationToken)
    {
        var gone = await tables.WriteAsync(
            (connection, transaction) => connection.QueryAsync<long>(
                $"DELETE FROM history_series WHERE seen_at < @before{(isFull ? Empty : "")} RETURNING id", new { before }, transaction),
            cancellationToken).ConfigureAwait(false);
        var ids = gone.ToHashSet();
        lock (_ids)
        {
            foreach (var (series, _) in _ids.Where(pair => ids.Contains(pair.Value)).ToList())
                _ids.Remove(series);
        }
    }

    /// <summary>Finds the begin and the end of a tier; null when it is empty.</summary>
    public Task<(long Oldest, long Newest)?> FindSpanAsync(int tier, CancellationToken cancellationToken) => tables.ReadAsync(
        async connection =>
        {
            var (oldest, newest) = await connection.QuerySingleAsync<(long?, long?)>(
                "SELECT min(at), max(at) FROM history_points WHERE tier = @tier", new { tier }).ConfigureAwait(false);
            return oldest is null ? ((long, long)?)null : (oldest.Value, newest!.Value);
        },
        cancellationToken);

    /// <summary>Reads how much there is.</summary>
    public Task<TableSizes> ReadSizesAsync(CancellationToken cancellationToken) => tables.ReadAsync(
        async connection =>
        {
            var (points, bytes) = await connection.QuerySingleAsync<(long, long)>("SELECT point_count, byte_count FROM history_totals WHERE id = 1")
                .ConfigureAwait(false);
            var series = await connection.ExecuteScalarAsync<long>("SELECT count(*) FROM history_series").ConfigureAwait(false);
            return new TableSizes(series, points, bytes);
        },
        cancellationToken);

    /// <summary>Stores how containers stand; null = removed.</summary>
    /// <param name="changes">By key.</param>
    /// <param name="now">Milliseconds since 1970.</param>
    /// <param name="forgetBefore">Those that ended before are forgotten.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    public Task<int> WriteContainersAsync(
        IReadOnlyList<(string Key, ContainerEntry? Entry)> changes, long now, long forgetBefore, CancellationToken cancellationToken) => tables.WriteAsync(
        async (connection, transaction) =>
        {
            await connection.ExecuteAsync(
                """
                INSERT INTO history_containers (key, body, changed_at, expires_at) VALUES (@key, @body, @now, @expires)
                ON CONFLICT (key) DO UPDATE SET body = excluded.body, changed_at = excluded.changed_at, expires_at = excluded.expires_at
                """,
                changes.Select(change => new
                {
                    key = change.Key,
                    body = change.Entry is null ? "" : JsonSerializer.Serialize(change.Entry, Json),
                    now,
                    expires = change.Entry?.ExpiresAt.ToUnixTimeMilliseconds() ?? now,
                }),
                transaction).ConfigureAwait(false);
            await connection.ExecuteAsync("DELETE FROM history_containers WHERE expires_at < @forgetBefore", new { forgetBefore }, transaction)
                .ConfigureAwait(false);
            return changes.Count;
        },
        cancellationToken);

    /// <summary>Reads the containers that were changed at or after a time; null = removed.</summary>
    public Task<IReadOnlyList<(string Key, ContainerEntry? Entry)>> ReadContainersAsync(long since, CancellationToken cancellationToken) => tables.ReadAsync(
        async connection =>
        {
            var rows = await connection.QueryAsync<(string Key, string Body)>(
                "SELECT key, body FROM history_containers WHERE changed_at >= @since", new { since }).ConfigureAwait(false);
            return (IReadOnlyList<(string, ContainerEntry?)>)
                [.. rows.Select(row => (row.Key, IsGone: row.Body.Length == 0, Entry: ReadEntry(row.Body))).Where(row => row.IsGone || row.Entry is not null)
                    .Select(row => (row.Key, row.Entry))];
        },
        cancellationToken);

    /// <summary>What another version of the program has written and this one cannot read is passed over.</summary>
    private static ContainerEntry? ReadEntry(string body)
    {
        try
        {
            return body.Length == 0 ? null : JsonSerializer.Deserialize<ContainerEntry>(body, Json);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Adds rows; one that is there already, as after a commit whose answer was lost, is neither written nor counted again.</summary>
    private static async Task InsertAsync(DbConnection connection, DbTransaction transaction, List<PointRow> rows)
    {
        var (count, bytes) = (0L, 0L);
        foreach (var row in rows)
        {
            var added = await connection.ExecuteAsync(
                "INSERT INTO history_points (series_id, tier, at, body) VALUES (@SeriesId, @Tier, @At, @Body) ON CONFLICT (series_id, tier, at) DO NOTHING",
                row, transaction).ConfigureAwait(false);
            (count, bytes) = (count + added, bytes + (added * row.Body.Length));
        }

        if (count > 0)
            await CountAsync(connection, transaction, count, bytes).ConfigureAwait(false);
    }

    private static Task<int> CountAsync(DbConnection connection, DbTransaction transaction, long points, long bytes) => connection.ExecuteAsync(
        "UPDATE history_totals SET point_count = point_count + @points, byte_count = byte_count + @bytes WHERE id = 1",
        new { points, bytes = bytes + (points * PointOverheadBytes) }, transaction);

    private bool TryFindId(
        Dictionary<(string Url, string Instance), long> found, (string Url, string Instance) series, out long id)
    {
        if (found.TryGetValue(series, out id))
            return true;
        lock (_ids)
            return _ids.TryGetValue(series, out id);
    }

    private static async Task<long> FindSeriesAsync(DbConnection connection, DbTransaction transaction, string url, string instance, long at)
    {
        await connection.ExecuteAsync(
            "INSERT INTO history_series (url, instance, seen_at) VALUES (@url, @instance, @at) ON CONFLICT (url, instance) DO UPDATE SET seen_at = excluded.seen_at",
            new { url, instance, at }, transaction).ConfigureAwait(false);
        return await connection.ExecuteScalarAsync<long>(
            "SELECT id FROM history_series WHERE url = @url AND instance = @instance", new { url, instance }, transaction).ConfigureAwait(false);
    }

    private sealed class PointRow(long seriesId, int tier, HistoryPoint point)
    {
        public long SeriesId { get; } = seriesId;

        public long Tier { get; } = tier;

        public long At { get; } = point.At;

        public byte[] Body { get; } = PointCodec.Write(point);
    }
}
