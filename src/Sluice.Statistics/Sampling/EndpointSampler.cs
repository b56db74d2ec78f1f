using System.Text.Json;
using Sluice.Inference;
using Sluice.Statistics.Prometheus;

namespace Sluice.Statistics.Sampling;

/// <summary>Takes samples of calls without making them wait, and adds them up on one background thread.</summary>
/// <remarks>
/// <para>A call draws, takes a place in the ring of its core, copies what the configuration asks for, and goes on. The
/// consumer empties all rings ten times a second while there is traffic, at once when one is half full or holds the values
/// of a few hundred calls, and sleeps while there is none: on a machine that is busy with requests, waking up costs more than adding up. When a ring is full the
/// sample is dropped and counted.</para>
/// <para><b>Threads.</b> Any number of callers; scrapes and the consumer take turns.</para>
/// </remarks>
public sealed class EndpointSampler : IEndpointSampler, IAsyncDisposable
{
    private const int MostRings = 16;
    private const int RingCapacity = 8192;

    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(100);

    // A sample that is published while the consumer falls asleep may be overlooked; it waits so long then.
    private static readonly TimeSpan LongestSleep = TimeSpan.FromSeconds(1);

    private readonly Func<double> _draw;
    private readonly RecordBatches? _batches;
    private readonly SampleRing[] _rings;
    private readonly Lock _consuming = new();
    private readonly Dictionary<string, EndpointSeries> _series = new(StringComparer.Ordinal);
    private readonly AutoResetEvent _signal = new(initialState: false);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IgnoredValues _ignored = new();
    private int[] _last = [];
    private long _takenCount;
    private long _droppedCount;
    private volatile bool _isAsleep;
    private volatile bool _isStopping;

    /// <summary>Begins to wait for samples.</summary>
    /// <param name="draw">Gives a number from 0 to 1 for each call that may be sampled or not; random unless given.</param>
    /// <param name="publisher">Gets each record too; null = nobody.</param>
    /// <param name="ringCount">Rings; one for each core unless given.</param>
    /// <param name="ringCapacity">Records of a ring, a power of two.</param>
    public EndpointSampler(
        Func<double>? draw = null, IRecordPublisher? publisher = null, int? ringCount = null, int ringCapacity = RingCapacity)
    {
        _draw = draw ?? Random.Shared.NextDouble;
        _batches = publisher is null ? null : new RecordBatches(publisher);
        _rings = new SampleRing[ringCount ?? Math.Min(MostRings, Environment.ProcessorCount)];
        for (var i = 0; i < _rings.Length; i++)
            _rings[i] = new SampleRing(ringCapacity);
        new Thread(Run) { IsBackground = true, Name = "samples" }.Start();
    }

    /// <summary>Samples that found no room.</summary>
    public long DroppedCount => Volatile.Read(ref _droppedCount);

    /// <summary>Samples that were added up.</summary>
    public long TakenCount => Volatile.Read(ref _takenCount);

    /// <summary>Values that were sampled and meant nothing.</summary>
    internal IgnoredValues Ignored => _ignored;

    /// <inheritdoc/>
    public bool Draw(SamplingPlan plan) => plan.Frequency >= 1 || _draw() < plan.Frequency;

    /// <inheritdoc/>
    public void Take(SamplingPlan plan, long ticks, EndpointCall call, EndpointReply reply)
    {
        if (!TryRent(!plan.Variables.IsEmpty || plan.KafkaServer.Length > 0, out var ring, out var ticket))
            return;
        try
        {
            ref var sample = ref ring.At(ticket);
            (sample.Plan, sample.Ticks) = (plan, ticks);
            if (sample.Record is not { } record)
                return;
            if (plan.KafkaServer.Length > 0)
                record.Custom = reply.StatisticsJson;
            if (plan.Variables.IsEmpty)
                return;
            if (call.Body == EndpointBody.JsonObject)
                VariableCapture.AddJson(record, plan, call.Content.Span);
            if (reply.ContentType.StartsWith("application/json", StringComparison.Ordinal))
                VariableCapture.AddJson(record, plan, reply.Content.Span);
            if (!reply.StatisticsJson.IsEmpty)
                VariableCapture.AddJson(record, plan, reply.StatisticsJson.Span);
        }
        finally
        {
            Publish(ring, ticket);
        }
    }

    /// <inheritdoc/>
    public void Take(SamplingPlan plan, long ticks, InferRequest request)
    {
        if (!TryRent(!plan.Variables.IsEmpty, out var ring, out var ticket))
            return;
        try
        {
            ref var sample = ref ring.At(ticket);
            (sample.Plan, sample.Ticks) = (plan, ticks);
            if (sample.Record is { } record)
                VariableCapture.AddTensors(record, plan, request);
        }
        finally
        {
            Publish(ring, ticket);
        }
    }

    /// <inheritdoc/>
    public void TakeResponse(SamplingPlan plan, InferRequest request)
    {
        if (!VariableCapture.HasOutputs(plan, request) || !TryRent(needsRecord: true, out var ring, out var ticket))
            return;
        try
        {
            ref var sample = ref ring.At(ticket);
            (sample.Plan, sample.Ticks) = (plan, 0);
            var record = sample.Record!;
            record.IsResponse = true;
            VariableCapture.AddOutputs(record, plan, request);
        }
        finally
        {
            Publish(ring, ticket);
        }
    }

    /// <summary>Ends the consumer; what was taken so far is added up.</summary>
    public async ValueTask DisposeAsync()
    {
        _isStopping = true;
        _signal.Set();
        await _ended.Task.ConfigureAwait(false);
        _batches?.Dispose();
        _signal.Dispose();
    }

    /// <summary>Adds up what waits.</summary>
    /// <returns>Records that waited.</returns>
    internal int Drain()
    {
        lock (_consuming)
        {
            var count = 0;
            foreach (var ring in _rings)
            {
                while (ring.TryPeek(out var ticket))
                {
                    ref var sample = ref ring.At(ticket);
                    AddGuarded(in sample);
                    ring.Release();
                    count++;
                }
            }

            if (count > 0)
                _batches?.Flush();
            return count;
        }
    }

    /// <summary>Writes the original's series of endpoints, and forgets those of endpoints that are gone.</summary>
    /// <param name="writer">The page.</param>
    /// <param name="keys">Endpoints that there are.</param>
    internal void Write(PrometheusWriter writer, IEnumerable<string> keys)
    {
        Drain();
        lock (_consuming)
        {
            var known = keys.ToHashSet(StringComparer.Ordinal);
            foreach (var gone in _series.Keys.Where(key => !known.Contains(key)).ToList())
                _series.Remove(gone);
            var prefixes = new HashSet<string>(StringComparer.Ordinal);
            foreach (var (_, series) in _series.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            {
                if (prefixes.Add(series.Prefix))
                    series.Write(writer);
            }
        }
    }

    private bool TryRent(bool needsRecord, out SampleRing ring, out long ticket)
    {
        ring = _rings[(uint)Thread.GetCurrentProcessorId() % (uint)_rings.Length];
        SampleRecord? record = null;
        if (!needsRecord || ring.TryRentRecord(out record))
        {
            if (ring.TryRent(out ticket))
            {
                ring.At(ticket).Record = record;
                return true;
            }

            if (record is not null)
                ring.Return(record);
        }

        ticket = 0;
        Interlocked.Increment(ref _droppedCount);
        return false;
    }

    private void Publish(SampleRing ring, long ticket)
    {
        var hasValues = ring.At(ticket).Record is not null;
        ring.Publish(ticket);
        if (!_isStopping && (_isAsleep || (ticket & ((hasValues ? ring.Capacity / 32 : ring.Capacity / 2) - 1)) == 0))
            _signal.Set();
    }

    /// <summary>What a client sends must not end the consumer.</summary>
    private void AddGuarded(in Sample sample)
    {
        try
        {
            Add(in sample);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            _ignored.UnreadableCount++;
        }
    }

    private void Add(in Sample sample)
    {
        if (sample.Plan is not { } plan)
            return;
        _takenCount++;
        var seconds = Math.Round(ModelStatistics.ToNanoseconds(sample.Ticks) / 1e9, 4);
        if (!_series.TryGetValue(plan.Endpoint, out var series))
            _series[plan.Endpoint] = series = new EndpointSeries(plan.Endpoint);
        series.Follow(plan);
        if (sample.Record is not { IsResponse: true })
            series.Count(plan, seconds);
        if (sample.Record is { } record)
            AddValues(series, plan, record);
        if (plan.KafkaServer.Length > 0)
            _batches?.Add(plan, seconds, sample.Record, _last);
    }

    private void AddValues(EndpointSeries series, SamplingPlan plan, SampleRecord record)
    {
        _ignored.TooLargeCount += record.TooLargeCount;
        _ignored.UnreadableCount += record.UnreadableCount;
        FindLast(record, plan);
        var number = 0;
        for (var values = record.Values; values.MoveNext(); number++)
        {
            if (_last[values.Variable] == number)
                ValueReader.Read(series.Variable(values.Variable), values.Type, values.Bytes, _ignored);
        }
    }

    /// <summary>Of a variable that came more than once the last value counts.</summary>
    private void FindLast(SampleRecord record, SamplingPlan plan)
    {
        if (_last.Length < plan.Variables.Length)
            _last = new int[plan.Variables.Length];
        var number = 0;
        for (var values = record.Values; values.MoveNext(); number++)
            _last[values.Variable] = number;
    }

    private void Run()
    {
        while (!_isStopping)
        {
            var isIdle = Drain() == 0;
            if (isIdle)
            {
                _isAsleep = true;
                Interlocked.MemoryBarrier();
                isIdle = Drain() == 0;
            }

            _signal.WaitOne(isIdle ? LongestSleep : Period);
            _isAsleep = false;
        }

        Drain();
        _ended.SetResult();
    }
}
