using Sluice.History.Points;

namespace Sluice.History.Series;

/// <summary>How the values of instances become the value of all.</summary>
public enum TotalRule
{
    /// <summary>Added up.</summary>
    Sum,

    /// <summary>Their mean.</summary>
    Mean,
}

/// <summary>One of the metrics that callers know by name (spec clearml §6.1).</summary>
/// <param name="Name">As callers write it.</param>
/// <param name="Title">For people.</param>
/// <param name="Gauge">Where its values are; null = the number of requests.</param>
/// <param name="Total">How instances are joined.</param>
/// <param name="Scale">What values are multiplied by.</param>
public sealed record SeriesMetric(string Name, string Title, Gauge? Gauge, TotalRule Total, double Scale = 1)
{
    private const double GigabytesPerMegabyte = 1.0 / 1024;

    /// <summary>All fifteen, in the order of the contract.</summary>
    public static IReadOnlyList<SeriesMetric> All { get; } =
    [
        new("requests", "Number of Requests", null, TotalRule.Sum),
        new("requests_min", "Requests per Minute", Points.Gauge.RequestsMin, TotalRule.Sum),
        new("latency_ms", "Average Latency (ms)", Points.Gauge.LatencyMs, TotalRule.Mean),
        new("cpu_count", "CPU Count", Points.Gauge.CpuCount, TotalRule.Sum),
        new("gpu_count", "GPU Count", Points.Gauge.GpuCount, TotalRule.Sum),
        new("cpu_util", "Average CPU Load (%)", Points.Gauge.CpuUtil, TotalRule.Mean),
        new("gpu_util", "Average GPU Utilization (%)", Points.Gauge.GpuUtil, TotalRule.Mean),
        new("ram_total", "RAM Total (GB)", Points.Gauge.RamTotal, TotalRule.Sum, GigabytesPerMegabyte),
        new("ram_used", "RAM Used (GB)", Points.Gauge.RamUsed, TotalRule.Sum, GigabytesPerMegabyte),
        new("ram_free", "RAM Free (GB)", Points.Gauge.RamFree, TotalRule.Sum, GigabytesPerMegabyte),
        new("gpu_ram_total", "GPU RAM Total (GB)", Points.Gauge.GpuRamTotal, TotalRule.Sum, GigabytesPerMegabyte),
        new("gpu_ram_used", "GPU RAM Used (GB)", Points.Gauge.GpuRamUsed, TotalRule.Sum, GigabytesPerMegabyte),
        new("gpu_ram_free", "GPU RAM Free (GB)", Points.Gauge.GpuRamFree, TotalRule.Sum, GigabytesPerMegabyte),
        new("network_rx", "Network Throughput RX (MBps)", Points.Gauge.NetworkRx, TotalRule.Sum),
        new("network_tx", "Network Throughput TX (MBps)", Points.Gauge.NetworkTx, TotalRule.Sum),
    ];

    /// <summary>Finds one; null when there is none of that name.</summary>
    public static SeriesMetric? Find(string name) => All.FirstOrDefault(metric => metric.Name == name);
}
