namespace Sluice.History.Points;

/// <summary>What a report says of one moment; the numbers are stored and never change.</summary>
public enum Gauge
{
    /// <summary>Requests that ended well in the last minute.</summary>
    RequestsMin = 0,

    /// <summary>Mean time of the requests of the last report's time, milliseconds.</summary>
    LatencyMs = 1,

    /// <summary>Processors.</summary>
    CpuCount = 2,

    /// <summary>Graphics processors.</summary>
    GpuCount = 3,

    /// <summary>Use of processors, percent.</summary>
    CpuUtil = 4,

    /// <summary>Use of graphics processors, percent.</summary>
    GpuUtil = 5,

    /// <summary>Memory, MB.</summary>
    RamTotal = 6,

    /// <summary>Used memory, MB.</summary>
    RamUsed = 7,

    /// <summary>Free memory, MB.</summary>
    RamFree = 8,

    /// <summary>Memory of graphics processors, MB.</summary>
    GpuRamTotal = 9,

    /// <summary>Used memory of graphics processors, MB.</summary>
    GpuRamUsed = 10,

    /// <summary>Free memory of graphics processors, MB.</summary>
    GpuRamFree = 11,

    /// <summary>Received, MB per second.</summary>
    NetworkRx = 12,

    /// <summary>Sent, MB per second.</summary>
    NetworkTx = 13,
}
