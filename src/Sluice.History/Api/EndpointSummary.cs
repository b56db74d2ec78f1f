using Sluice.History.Reports;

namespace Sluice.History.Api;

/// <summary>Adds the containers of one address up as <c>get_endpoints</c> shows them: means are over those that say something.</summary>
internal sealed class EndpointSummary
{
    private double _rates;
    private int _rateCount;
    private double _latencies;
    private int _latencyCount;

    /// <summary>What the first one says; null = there was none.</summary>
    public ContainerReport? First { get; private set; }

    public int Count { get; private set; }

    public long? Uptime { get; private set; }

    public long Requests { get; private set; }

    public double? RequestsPerMinute => _rateCount == 0 ? null : _rates / _rateCount;

    public double? Latency => _latencyCount == 0 ? null : _latencies / _latencyCount;

    public DateTimeOffset UpdatedAt { get; private set; }

    public void Add(ContainerEntry entry)
    {
        var report = entry.Report;
        First ??= report;
        Count++;
        Requests += report.Requests ?? 0;
        if (report.UptimeSeconds is { } uptime && !(Uptime >= uptime))
            Uptime = uptime;
        if (entry.UpdatedAt > UpdatedAt)
            UpdatedAt = entry.UpdatedAt;
        if (report.RequestsPerMinute is { } rate)
            (_rates, _rateCount) = (_rates + rate, _rateCount + 1);
        if (report.LatencyMilliseconds is { } latency)
            (_latencies, _latencyCount) = (_latencies + latency, _latencyCount + 1);
    }
}
