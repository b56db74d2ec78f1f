using Sluice.Inference;

namespace Sluice.Statistics;

/// <summary>The machine's CPU and memory use.</summary>
/// <remarks><b>Threads.</b> Any number; the CPU share is that of the time since the last look, shared by all callers.</remarks>
/// <param name="kernel">Where they are read.</param>
internal sealed class MachineFigures(KernelFiles kernel)
{
    private readonly Lock _lock = new();
    private ProcessorTicks _last;
    private double _share;

    /// <summary>Share of CPU time in use since the last look (at the first one since boot), 0 to 1; null when unknown.</summary>
    public double? ReadCpuShare()
    {
        if (kernel.ReadProcessors().FirstOrDefault(processor => processor.Name == "cpu") is not { Name: not null } all)
            return null;
        lock (_lock)
        {
            // Two looks within one clock tick have none between them; the last figure still holds then.
            _share = all.ShareSince(_last.Busy, _last.Total) ?? _share;
            _last = all;
            return _share;
        }
    }

    /// <summary>Memory in all and in use (not available to programs), bytes; null when unknown.</summary>
    public (long Total, long Used)? ReadMemory() => kernel.ReadMemory() is var (total, available) ? (total, total - available) : null;
}
