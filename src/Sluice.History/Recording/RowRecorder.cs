using Sluice.Control.Records;
using Sluice.History.Points;
using Sluice.History.Reports;

namespace Sluice.History.Recording;

/// <summary>Follows one row of this replica: totals since it was first seen, the last minute, and a point per sample.</summary>
/// <remarks><b>Threads.</b> One at a time.</remarks>
/// <param name="time">The clock.</param>
internal sealed class RowRecorder(TimeProvider time)
{
    private readonly Follower _calls = new(time);
    private readonly Dictionary<string, Follower> _arms = new(StringComparer.Ordinal);
    private DateTimeOffset? _readySince;

    /// <summary>Says how the row stands now.</summary>
    /// <param name="row">The row.</param>
    /// <param name="replica">This replica.</param>
    /// <param name="machine">The machine.</param>
    /// <param name="timeout">How long it is believed alive after this.</param>
    public ContainerEntry Look(ServedRow row, string replica, MachineStatistics machine, TimeSpan timeout)
    {
        var isReady = row.Phase is EndpointPhase.Ready or EndpointPhase.Draining;
        _readySince = isReady ? _readySince ?? time.GetUtcNow() : null;
        var (total, recent) = _calls.Look(row.Counters);
        foreach (var gone in _arms.Keys.Except(row.Arms.Select(arm => arm.Endpoint)).ToList())
            _arms.Remove(gone);
        var report = new ContainerReport
        {
            ContainerId = replica,
            EndpointName = row.Name,
            EndpointUrl = isReady ? row.Url : null,
            ModelName = row.ModelName,
            ModelVersion = row.ModelVersion,
            ModelSource = row.ModelSource,
            PreprocessArtifact = row.PreprocessArtifact,
            InputType = row.InputType,
            InputSizeJson = row.InputSize is null ? null : System.Text.Json.JsonSerializer.Serialize(row.InputSize),
            References = row.ModelId.Length > 0 ? [new ContainerReference("model", row.ModelId)] : [],
            UptimeSeconds = _readySince is { } since ? (long)(time.GetUtcNow() - since).TotalSeconds : 0,
            Requests = total.Ok,
            RequestsPerMinute = recent.PerMinute,
            LatencyMilliseconds = _calls.LastLatency,
            CpuCount = machine.CpuUsage?.Count ?? 0,
            GpuCount = machine.GpuUsage?.Count ?? 0,
        };
        var figures = new RowFigures
        {
            Kind = row.Kind,
            Url = row.Url,
            ServiceId = row.ServiceId,
            Engine = row.Engine,
            ModelId = row.ModelId,
            Phase = row.Phase,
            Reason = row.Reason,
            Failures = total.Failed,
            Recent = recent,
            Arms = [.. row.Arms.Select(Look)],
        };
        return new ContainerEntry
        {
            Key = ContainerEntry.KeyOf(replica, row.Url),
            Report = report,
            Figures = figures,
            RegisteredAt = time.GetUtcNow(),
            UpdatedAt = time.GetUtcNow(),
            Timeout = timeout,
        };
    }

    /// <summary>Ends the present stretch and gives its point.</summary>
    public HistoryPoint Keep(ServedRow row, MachineStatistics machine)
    {
        var stretch = _calls.Keep(row.Counters);
        foreach (var arm in row.Arms)
            FollowerOf(arm).Keep([arm.Counter]);
        var (queue, batches) = _calls.ReadModels(row.Models);
        var gauges = machine.ToGauges();
        gauges[(int)Gauge.RequestsMin] = _calls.Look(row.Counters).Recent.PerMinute;
        gauges[(int)Gauge.LatencyMs] = _calls.LastLatency;
        return new HistoryPoint
        {
            At = time.GetUtcNow().ToUnixTimeMilliseconds(),
            Requests = _calls.Total.Ok,
            Gauges = gauges,
            Ok = stretch.Ok,
            Failed = stretch.Failed,
            Nanoseconds = stretch.Nanoseconds,
            Latency = stretch.Latency,
            Queue = queue,
            Batches = batches,
        };
    }

    private ArmFigures Look(ServedArm arm)
    {
        var (total, recent) = FollowerOf(arm).Look([arm.Counter]);
        return new ArmFigures(arm.Endpoint, arm.Share, total.Ok, total.Failed, recent);
    }

    private Follower FollowerOf(ServedArm arm)
    {
        if (!_arms.TryGetValue(arm.Endpoint, out var follower))
            _arms[arm.Endpoint] = follower = new Follower(time);
        return follower;
    }

    /// <summary>Follows counters: the stretches of the last minute and what came since.</summary>
    private sealed class Follower(TimeProvider time)
    {
        // As the original, whose stretches are 30 s: its requests per minute are two of them.
        private const int Stretches = 2;

        // What was just seen for the first time has counted for nobody knows how long.
        private const double ShortestMinute = 30;

        private readonly CounterReader _reader = new();
        private readonly Queue<(double Seconds, Counts Counts)> _stretches = new();
        private long _keptAt = time.GetTimestamp();

        /// <summary>All that ended in kept stretches, without times.</summary>
        public Counts Total { get; private set; } = Counts.None;

        /// <summary>Mean time of the last stretch, milliseconds; 0 = there was nothing.</summary>
        public double LastLatency { get; private set; }

        public (Counts Total, RecentCounts Recent) Look(IReadOnlyList<RequestCounter> counters)
        {
            var now = _reader.Read(counters, keeps: false);
            var seconds = time.GetElapsedTime(_keptAt).TotalSeconds + _stretches.Sum(stretch => stretch.Seconds);
            var counts = _stretches.Select(stretch => stretch.Counts).Aggregate(now, (sum, stretch) => sum + stretch);
            return (
                Total with { Ok = Total.Ok + now.Ok, Failed = Total.Failed + now.Failed },
                new RecentCounts(Math.Max(seconds, ShortestMinute), counts.Ok, counts.Failed, counts.Nanoseconds, counts.Latency));
        }

        public Counts Keep(IReadOnlyList<RequestCounter> counters)
        {
            var stretch = _reader.Read(counters, keeps: true);
            _stretches.Enqueue((time.GetElapsedTime(_keptAt).TotalSeconds, stretch));
            if (_stretches.Count > Stretches)
                _stretches.Dequeue();
            _keptAt = time.GetTimestamp();
            Total = Total with { Ok = Total.Ok + stretch.Ok, Failed = Total.Failed + stretch.Failed };
            LastLatency = stretch.Ok == 0 ? 0 : Math.Round(stretch.Nanoseconds / 1e6 / stretch.Ok, 4);
            return stretch;
        }

        public (IReadOnlyList<BucketCount> Queue, IReadOnlyList<BucketCount> Batches) ReadModels(IReadOnlyList<Inference.ModelStatistics> models) =>
            _reader.ReadModels(models);
    }
}
