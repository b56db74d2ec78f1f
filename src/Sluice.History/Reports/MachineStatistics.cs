using Sluice.History.Points;

namespace Sluice.History.Reports;

/// <summary>What a machine is like, under the names of the serving calls: lists have one value per processor.</summary>
public sealed record MachineStatistics
{
    /// <summary>Use of each processor, percent.</summary>
    public IReadOnlyList<double>? CpuUsage { get; init; }

    /// <summary>Use of each graphics processor, percent.</summary>
    public IReadOnlyList<double>? GpuUsage { get; init; }

    /// <summary>Free memory of each graphics processor, MB.</summary>
    public IReadOnlyList<double>? GpuMemoryFree { get; init; }

    /// <summary>Used memory of each graphics processor, MB.</summary>
    public IReadOnlyList<double>? GpuMemoryUsed { get; init; }

    /// <summary>Used memory, MB.</summary>
    public double? MemoryUsed { get; init; }

    /// <summary>Free memory, MB.</summary>
    public double? MemoryFree { get; init; }

    /// <summary>Sent, MB per second.</summary>
    public double? NetworkTx { get; init; }

    /// <summary>Received, MB per second.</summary>
    public double? NetworkRx { get; init; }

    /// <summary>Turns them into gauges: lists become their number and their mean, memory is added up.</summary>
    public double[] ToGauges()
    {
        var gauges = HistoryPoint.NoGauges();
        Set(Gauge.CpuCount, Count(CpuUsage));
        Set(Gauge.CpuUtil, Mean(CpuUsage));
        Set(Gauge.GpuCount, Count(GpuUsage));
        Set(Gauge.GpuUtil, Mean(GpuUsage));
        Set(Gauge.RamUsed, MemoryUsed);
        Set(Gauge.RamFree, MemoryFree);
        Set(Gauge.RamTotal, Sum(MemoryUsed, MemoryFree));
        Set(Gauge.GpuRamUsed, Mean(GpuMemoryUsed));
        Set(Gauge.GpuRamFree, Mean(GpuMemoryFree));
        Set(Gauge.GpuRamTotal, Sum(Mean(GpuMemoryUsed), Mean(GpuMemoryFree)));
        Set(Gauge.NetworkRx, NetworkRx);
        Set(Gauge.NetworkTx, NetworkTx);
        return gauges;

        void Set(Gauge gauge, double? value) => gauges[(int)gauge] = value ?? double.NaN;
    }

    private static double? Count(IReadOnlyList<double>? values) => values is { Count: > 0 } ? values.Count : null;

    private static double? Mean(IReadOnlyList<double>? values) => values is { Count: > 0 } ? values.Average() : null;

    private static double? Sum(double? used, double? free) => used is null && free is null ? null : (used ?? 0) + (free ?? 0);
}
