using Microsoft.Extensions.Logging;
using Sluice.Statistics.Sampling;

namespace Sluice.Statistics.Kafka;

/// <summary>Sends records of sampled calls to Kafka, with a producer for each address that services name.</summary>
/// <remarks>
/// <para>Nothing of Kafka's reaches calls: whatever goes wrong drops records, which are counted, and is told once.</para>
/// <para><b>Threads.</b> <see cref="Publish"/> from one at a time; figures from any.</para>
/// </remarks>
public sealed class KafkaPublisher(KafkaOptions options, ILogger<KafkaPublisher> logger, TimeProvider time) : IRecordPublisher, IAsyncDisposable
{
    // An address that was changed while serving.
    private static readonly TimeSpan LongestIdle = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _producers = new(StringComparer.Ordinal);
    private readonly List<KafkaProducer> _retiring = [];
    private readonly List<Task> _retirements = [];
    private long _sweptAt = time.GetTimestamp();
    private KafkaFigures _past;
    private bool _isClosed;

    /// <summary>What became of records so far.</summary>
    public KafkaFigures Figures
    {
        get
        {
            lock (_lock)
                return _producers.Values.Select(entry => entry.Producer).OfType<KafkaProducer>().Concat(_retiring)
                    .Aggregate(_past, (sum, producer) => Sum(sum, producer.Figures));
        }
    }

    /// <inheritdoc/>
    public void Publish(string server, string endpoint, ReadOnlySpan<byte> message, int recordCount)
    {
        lock (_lock)
        {
            if (_isClosed || Find(server).Producer is not { } producer)
                _past = _past with { Dropped = _past.Dropped + recordCount };
            else
                producer.Send(endpoint, message, recordCount);
        }
    }

    /// <summary>Sends what waits, for a while, and drops the rest.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            _isClosed = true;
            foreach (var server in _producers.Keys.ToList())
                Retire(server);
        }

        await Task.WhenAll(_retirements).ConfigureAwait(false);
    }

    private Entry Find(string server)
    {
        var now = time.GetTimestamp();
        if (_producers.TryGetValue(server, out var entry) && entry.Producer?.IsBroken == true)
            Retire(server);
        if (entry is null || entry.Producer?.IsBroken == true || (entry.Producer is null && time.GetElapsedTime(entry.UsedAt) > RetryDelay))
        {
            _producers[server] = entry = new Entry { Producer = TryCreate(server), UsedAt = now };
        }

        if (entry.Producer is not null)
            entry.UsedAt = now;

        // An address that services have left.
        if (_producers.Count > 1 && time.GetElapsedTime(_sweptAt) > LongestIdle)
        {
            _sweptAt = now;
            foreach (var idle in _producers.Where(pair => time.GetElapsedTime(pair.Value.UsedAt) > LongestIdle).Select(pair => pair.Key).ToList())
                Retire(idle);
        }

        return entry;
    }

    private KafkaProducer? TryCreate(string server)
    {
        try
        {
            return new KafkaProducer(server, options, logger);
        }
        catch (Exception error) when (error is DllNotFoundException or EntryPointNotFoundException)
        {
            KafkaLog.Unusable(logger, server, $"librdkafka cannot be loaded; install it (Debian: librdkafka1). {error.Message}");
        }
        catch (FormatException error)
        {
            KafkaLog.Unusable(logger, server, error.Message);
        }

        return null;
    }

    private void Retire(string server)
    {
        if (!_producers.Remove(server, out var entry) || entry.Producer is not { } producer)
            return;
        _retiring.Add(producer);
        _retirements.RemoveAll(task => task.IsCompleted);
        _retirements.Add(Task.Run(() => RetireAsync(producer)));
    }

    private async Task RetireAsync(KafkaProducer producer)
    {
        await WaitUntilEmptyAsync(producer).ConfigureAwait(false);
        producer.Abandon();
        await WaitUntilEmptyAsync(producer).ConfigureAwait(false);
        producer.Dispose();
        lock (_lock)
        {
            _past = Sum(_past, producer.Figures);
            _retiring.Remove(producer);
        }
    }

    private async Task WaitUntilEmptyAsync(KafkaProducer producer)
    {
        var began = time.GetTimestamp();
        while (!producer.IsEmpty && time.GetElapsedTime(began) < options.DrainLimit)
            await Task.Delay(TimeSpan.FromMilliseconds(20), time).ConfigureAwait(false);
    }

    private static KafkaFigures Sum(KafkaFigures one, KafkaFigures other) =>
        new(one.Delivered + other.Delivered, one.Dropped + other.Dropped, one.Waiting + other.Waiting);

    private sealed class Entry
    {
        public KafkaProducer? Producer { get; init; }

        public long UsedAt { get; set; }
    }
}
