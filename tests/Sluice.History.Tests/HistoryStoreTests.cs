using Microsoft.Extensions.Logging;
using Sluice.Control.Store;
using Sluice.History.Points;
using Sluice.History.Store;
using Sluice.Testing;

namespace Sluice.History.Tests;

/// <summary>Points in a real file: resolutions, bounds, and every way in which the file may fail.</summary>
public sealed class HistoryStoreTests : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("sluice-history-").FullName;
    private readonly SetTimeProvider _time = new();
    private readonly ListLogger _log = new();
    private readonly List<SharedTables> _open = [];

    public async ValueTask DisposeAsync()
    {
        foreach (var tables in _open)
            await tables.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Points_OfAMonth_AreKeptInThreeResolutions()
    {
        var store = Open();
        var begin = _time.Now;

        // Ten days, a report each 5 minutes, so that there is something to join; the file is kept up as the loop does it.
        for (var i = 0; i < 10 * 288; i++)
        {
            store.Add("u", "a", Point(_time.Now, requests: i + 1, ok: 2));
            _time.Now += TimeSpan.FromMinutes(5);
            if (i % 24 == 23)
                await store.FlushAsync(default);
        }

        _time.Now += TimeSpan.FromMinutes(5);
        await store.FlushAsync(default);
        Assert.Equal("", store.Fault);

        // Everything is there by the hour, the last 8 days by 5 minutes, the last day as it was reported.
        var month = await ReadAsync(store, begin, hours: 24 * 10, interval: 7200);
        Assert.Equal(10 * 288, month.Max(point => point.Requests));
        Assert.Equal(2 * 10 * 288, month.Sum(point => point.Ok));
        Assert.InRange(month.Count, 240, 240 + 36);
        var oldest = new long[3];
        for (var tier = 0; tier < 3; tier++)
            oldest[tier] = (long)(_time.Now - DateTimeOffset.FromUnixTimeMilliseconds((await store.Tables.FindSpanAsync(tier, default))!.Value.Oldest)).TotalHours;
        Assert.Equal([24, 8 * 24, 10 * 24], oldest);

        // A joint point is what its parts were.
        var hour = (await store.ReadAsync("u", "", store.Tiers.All[2], begin.ToUnixTimeMilliseconds(), begin.AddMinutes(59).ToUnixTimeMilliseconds(), default))[0].Points;
        var joined = Assert.Single(hour);
        Assert.Equal((12, 12L, 24L), (joined.Samples, joined.Requests, joined.Ok));
        Assert.Equal(6.5, joined[Gauge.CpuUtil], 5);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Answers_OfACoarseResolution_TakeItsTailFromTheFiner(bool isShared)
    {
        using var postgres = isShared ? PostgresServer.TryStart() : null;
        if (isShared && postgres is null)
            return;
        var store = Open(path: postgres is null ? null : postgres.Address + ";Database=postgres");
        var begin = _time.Now;
        for (var i = 0; i < 100; i++)
        {
            store.Add("u", "a", Point(_time.Now, i + 1, ok: 1));
            _time.Now += TimeSpan.FromSeconds(30);
        }

        await store.FlushAsync(default);

        // 50 minutes: nine stretches of 5 minutes are over for two minutes, the others are read as they were reported.
        var points = await ReadAsync(store, begin, hours: 1, interval: 600);
        Assert.Equal(100, points.Sum(point => point.Ok));
        Assert.Equal(9, points.Count(point => point.Samples == 10));
        Assert.Equal(10, points.Count(point => point.Samples == 1));

        // The same by another store of the same tables, as another replica is; what is too old goes in each of them.
        var other = Open(path: postgres is null ? null : postgres.Address + ";Database=postgres");
        Assert.Equal(points.Count, (await ReadAsync(other, begin, hours: 1, interval: 600)).Count);
        _time.Now += TimeSpan.FromDays(2);
        await other.FlushAsync(default);
        await store.FlushAsync(default);
        Assert.Equal(("", ""), (store.Fault, other.Fault));
        Assert.Null(await store.Tables.FindSpanAsync(0, default));
        Assert.Equal(100, (await ReadAsync(store, begin, hours: 1, interval: 600)).Sum(point => point.Ok));
    }

    [Fact]
    public async Task Reports_ThatComeTooFast_AreJoined()
    {
        var store = Open();
        for (var i = 0; i < 100; i++)
        {
            store.Add("u", "a", Point(_time.Now, i + 1, ok: 1));
            _time.Now += TimeSpan.FromSeconds(1);
        }

        await store.FlushAsync(default);
        Assert.Equal(10, store.Sizes.PointCount);
        Assert.Equal(100, (await ReadAsync(store, _time.Now.AddHours(-1), 1, 40)).Sum(point => point.Ok));
    }

    [Fact]
    public async Task Bytes_StayWithinTheirBound_AndWhatGoesIsCounted()
    {
        const long Bound = 1 << 20;
        var store = Open(new HistoryOptions { MaxBytes = Bound });
        for (var i = 0; i < 40; i++)
        {
            for (var instance = 0; instance < 500; instance++)
                store.Add("u", $"i{instance}", Point(_time.Now, 1, ok: 1));
            _time.Now += TimeSpan.FromSeconds(30);
            await store.FlushAsync(default);
            Assert.InRange(store.Sizes.ByteCount, 0, Bound);
        }

        // The oldest went: of each instance the last samples are there, without a gap.
        Assert.True(store.DroppedCount > 0);
        var kept = await store.ReadAsync("u", "", store.Tiers.All[0], 0, long.MaxValue, default);
        Assert.Equal(500, kept.Count);
        var last = _time.Now.AddSeconds(-30).ToUnixTimeMilliseconds();
        Assert.All(kept, instance => Assert.Equal(
            Enumerable.Range(0, instance.Points.Count).Select(i => last - (30_000L * i)), instance.Points.Reverse().Select(point => point.At)));

        // What is counted is not far from what is really there.
        foreach (var tables in _open)
            await tables.DisposeAsync();
        _open.Clear();
        Assert.InRange(new FileInfo(Path.Combine(_folder, "history.db")).Length, 1, 2 * Bound);
    }

    [Fact]
    public async Task Store_ThatCannotBeWritten_IsToldOnce_AndWhatWaitsIsWrittenWhenItCan()
    {
        // A file where the folder should be: no right of any user helps.
        var place = Path.Combine(_folder, "place");
        await File.WriteAllTextAsync(place, "");
        var store = Open(path: Path.Combine(place, "history.db"));
        for (var i = 0; i < 3; i++)
        {
            store.Add("u", "a", Point(_time.Now, i + 1, ok: 1));
            await store.FlushAsync(default);
            _time.Now += TimeSpan.FromSeconds(30);
        }

        Assert.NotEqual("", store.Fault);
        Assert.Single(_log.Lines, line => line.StartsWith("Warning", StringComparison.Ordinal));
        Assert.Equal(3, (await ReadAsync(store, _time.Now.AddHours(-1), 1, 40)).Count);
        File.Delete(place);
        await store.FlushAsync(default);
        Assert.Equal(("", 3L), (store.Fault, store.Sizes.PointCount));
        Assert.Equal(0, store.DroppedCount);
        Assert.Equal(2, _log.Lines.Count);
    }

    [Fact]
    public async Task Series_AreBounded_AndThoseWithoutPointsMakeRoom()
    {
        var store = Open(most: 10);
        for (var i = 0; i < 10; i++)
            store.Add("u", $"i{i}", Point(_time.Now, 1, 1));
        await store.FlushAsync(default);
        store.Add("u", "new", Point(_time.Now, 1, 1));

        // The same point again, as after a commit whose answer was lost, and another one.
        store.Add("u", "i3", Point(_time.Now, 1, 1));
        await store.FlushAsync(default);
        store.Add("u", "i3", Point(_time.Now.AddSeconds(30), 1, 1));
        await store.FlushAsync(default);
        Assert.Equal((10L, 11L, 1L), (store.Sizes.SeriesCount, store.Sizes.PointCount, store.DroppedCount));

        // The points of all grow too old; their series go with them, before their time.
        for (var tier = 0; tier < 3; tier++)
            await store.Tables.PurgeAsync(tier, long.MaxValue, default);
        _time.Now += TimeSpan.FromHours(7);
        await store.FlushAsync(default);
        Assert.Equal(0, store.Sizes.SeriesCount);
        store.Add("u", "new", Point(_time.Now, 1, 1));
        await store.FlushAsync(default);
        Assert.Equal((1L, 1L), (store.Sizes.SeriesCount, store.Sizes.PointCount));
    }

    [Fact]
    public async Task Memory_OfPointsThatWait_IsBounded()
    {
        var place = Path.Combine(_folder, "place");
        await File.WriteAllTextAsync(place, "");
        var store = Open(path: Path.Combine(place, "history.db"));
        for (var i = 0; i < HistoryStore.MostPending + 10; i++)
            store.Add("u", $"i{i}", Point(_time.Now, 1, 1));
        Assert.Equal(10, store.DroppedCount);
        await store.FlushAsync(default);
        store.Add("u", "last", Point(_time.Now, 1, 1));
        Assert.Equal(11, store.DroppedCount);
    }

    [Fact]
    public async Task File_ThatIsNoDatabase_IsSetAside()
    {
        var path = Path.Combine(_folder, "history.db");
        await File.WriteAllTextAsync(path, new string('x', 10_000));
        var store = Open();
        store.Add("u", "a", Point(_time.Now, 1, 1));
        await store.FlushAsync(default);
        await store.FlushAsync(default);
        Assert.Equal(("", 1L), (store.Fault, store.Sizes.PointCount));
        Assert.True(File.Exists(path + ".broken"));
    }

    /// <summary>Series that this process knows of the old file are not those of the new one.</summary>
    [Fact]
    public async Task File_ThatBreaksLater_IsSetAside_AndItsSeriesForgotten()
    {
        var path = Path.Combine(_folder, "history.db");
        var store = Open();
        store.Add("u", "a", Point(_time.Now, 1, 1));
        store.Add("u", "b", Point(_time.Now, 1, 1));
        await store.FlushAsync(default);
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        File.Delete(path + "-wal");
        File.Delete(path + "-shm");
        await File.WriteAllTextAsync(path, new string('x', 10_000));
        _time.Now += TimeSpan.FromSeconds(30);
        store.Add("v", "b", Point(_time.Now, 2, 1));
        store.Add("u", "b", Point(_time.Now, 3, 1));
        await store.FlushAsync(default);
        Assert.True(File.Exists(path + ".broken"), store.Fault);
        await store.FlushAsync(default);
        Assert.Equal("", store.Fault);
        foreach (var (url, requests) in new[] { ("u", 3L), ("v", 2L) })
        {
            var read = await store.ReadAsync(
                url, "", store.Tiers.All[0], 0, _time.Now.ToUnixTimeMilliseconds(), default);
            Assert.Equal(requests, Assert.Single(Assert.Single(read).Points).Requests);
        }
    }

    /// <summary>What a killed process leaves: the file, and a log of writes that may end anywhere.</summary>
    [Fact]
    public async Task File_WhoseLastWriteIsTorn_OpensWithoutIt()
    {
        var store = Open();
        for (var i = 0; i < 5; i++)
        {
            store.Add("u", "a", Point(_time.Now, i + 1, 1));
            await store.FlushAsync(default);
            _time.Now += TimeSpan.FromSeconds(30);
        }

        var random = new Random(7);
        var path = Path.Combine(_folder, "history.db");
        var log = await ReadAllAsync(path + "-wal");
        Assert.NotEmpty(log);
        var counts = new HashSet<int>();
        for (var i = 0; i < 25; i++)
        {
            var copy = Path.Combine(Directory.CreateDirectory(Path.Combine(_folder, $"copy{i}")).FullName, "history.db");
            await File.WriteAllBytesAsync(copy, await ReadAllAsync(path));
            await File.WriteAllBytesAsync(copy + "-wal", i == 0 ? log : log[..random.Next(log.Length)]);
            var torn = Open(path: copy);
            torn.Add("u", "a", Point(_time.Now, 99, 1));
            await torn.FlushAsync(default);
            Assert.Equal("", torn.Fault);
            var points = await ReadAsync(torn, _time.Now.AddHours(-1), 1, 40);
            Assert.Equal(99, points[^1].Requests);
            Assert.Equal(Enumerable.Range(1, points.Count - 1).Select(number => (long)number), points.SkipLast(1).Select(point => point.Requests));
            counts.Add(points.Count);
        }

        Assert.Contains(6, counts);
        Assert.True(counts.Count > 1, "no tear took a write away");
    }

    private static async Task<byte[]> ReadAllAsync(string path)
    {
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var bytes = new byte[file.Length];
        await file.ReadExactlyAsync(bytes);
        return bytes;
    }

    private HistoryStore Open(HistoryOptions? options = null, string? path = null, int most = 1000)
    {
        var tables = new SharedTables(path ?? Path.Combine(_folder, "history.db"), HistoryTables.VersionTable, HistoryTables.Steps, _time);
        _open.Add(tables);
        return new HistoryStore(tables, options ?? new HistoryOptions(), _log, _time) { MostSeries = most };
    }

    private async Task<IReadOnlyList<HistoryPoint>> ReadAsync(HistoryStore store, DateTimeOffset from, int hours, int interval)
    {
        var (tier, _) = store.Tiers.Choose(from, from.AddHours(hours), _time.Now, TimeSpan.FromSeconds(interval));
        var read = await store.ReadAsync("u", "", tier, from.ToUnixTimeMilliseconds(), from.AddHours(hours).ToUnixTimeMilliseconds(), default);
        return read.Count == 0 ? [] : Assert.Single(read).Points;
    }

    private static HistoryPoint Point(DateTimeOffset at, long requests, long ok)
    {
        var gauges = HistoryPoint.NoGauges();
        gauges[(int)Gauge.CpuUtil] = requests;
        return new HistoryPoint { At = at.ToUnixTimeMilliseconds(), Requests = requests, Ok = ok, Gauges = gauges };
    }

    private sealed class ListLogger : ILogger
    {
        public List<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Add($"{logLevel}: {formatter(state, exception)}");
    }
}
