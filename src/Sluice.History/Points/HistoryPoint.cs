namespace Sluice.History.Points;

/// <summary>What one instance of an endpoint did and was like in one stretch of time; immutable.</summary>
public sealed record HistoryPoint
{
    /// <summary>How many gauges there are.</summary>
    public const int GaugeCount = 14;

    /// <summary>Begin of the stretch, or the time of the report, milliseconds since 1970.</summary>
    public required long At { get; init; }

    /// <summary>Reports that are in it.</summary>
    public int Samples { get; init; } = 1;

    /// <summary>Requests that ended well since the instance began, at most; -1 = no report said so.</summary>
    public long Requests { get; init; } = -1;

    /// <summary>Mean of each gauge over the reports that have it; NaN = none has.</summary>
    public double[] Gauges { get; init; } = NoGauges();

    /// <summary>Requests that ended well in the stretch, as counted here; 0 for what others report.</summary>
    public long Ok { get; init; }

    /// <summary>Requests that failed in it.</summary>
    public long Failed { get; init; }

    /// <summary>Times of those that ended well added up, nanoseconds.</summary>
    public long Nanoseconds { get; init; }

    /// <summary>These times, in the buckets of <see cref="Inference.LatencyHistogram"/>.</summary>
    public IReadOnlyList<BucketCount> Latency { get; init; } = [];

    /// <summary>Times in queues, in the same buckets.</summary>
    public IReadOnlyList<BucketCount> Queue { get; init; } = [];

    /// <summary>Executions by rows: bucket i holds those of more than 2^(i-1) and at most 2^i rows.</summary>
    public IReadOnlyList<BucketCount> Batches { get; init; } = [];

    /// <summary>Reads a gauge.</summary>
    /// <returns>NaN = unknown.</returns>
    public double this[Gauge gauge] => Gauges[(int)gauge];

    /// <summary>Makes gauges that are all unknown.</summary>
    public static double[] NoGauges()
    {
        var gauges = new double[GaugeCount];
        Array.Fill(gauges, double.NaN);
        return gauges;
    }

    /// <summary>Joins points of one instance into one; gauges are weighted by their points' reports.</summary>
    /// <param name="at">Begin of the joint stretch.</param>
    /// <param name="points">At least one.</param>
    public static HistoryPoint Join(long at, IReadOnlyCollection<HistoryPoint> points)
    {
        var gauges = NoGauges();
        for (var i = 0; i < GaugeCount; i++)
        {
            double sum = 0;
            long weight = 0;
            foreach (var point in points)
            {
                if (double.IsNaN(point.Gauges[i]))
                    continue;
                sum += point.Gauges[i] * point.Samples;
                weight += point.Samples;
            }

            if (weight > 0)
                gauges[i] = sum / weight;
        }

        return new HistoryPoint
        {
            At = at,
            Samples = points.Sum(point => point.Samples),
            Requests = points.Max(point => point.Requests),
            Gauges = gauges,
            Ok = points.Sum(point => point.Ok),
            Failed = points.Sum(point => point.Failed),
            Nanoseconds = points.Sum(point => point.Nanoseconds),
            Latency = points.Select(point => point.Latency).Aggregate(BucketCounts.Add),
            Queue = points.Select(point => point.Queue).Aggregate(BucketCounts.Add),
            Batches = points.Select(point => point.Batches).Aggregate(BucketCounts.Add),
        };
    }
}
