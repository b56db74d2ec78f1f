namespace Sluice.Statistics.Prometheus;

/// <summary>Writes the machine's processor and memory, looked at no more often than asked for.</summary>
/// <remarks><b>Threads.</b> Any number of scrapes.</remarks>
internal sealed class MachineText(MachineFigures machine, TimeSpan interval, TimeProvider time)
{
    private readonly Lock _lock = new();
    private (double? CpuShare, (long Total, long Used)? Memory)? _seen;
    private long _seenAt;

    public void Write(PrometheusWriter writer)
    {
        var (share, memory) = Look();
        writer.BeginFamily(MetricFamilies.CpuUtilization);
        if (share is not null)
        {
            writer.BeginSample(MetricFamilies.CpuUtilization.Name, "", LabelSet.Empty);
            writer.EndSample(share.Value);
        }

        Write(writer, MetricFamilies.MemoryTotal, memory?.Total ?? 0);
        Write(writer, MetricFamilies.MemoryUsed, memory?.Used ?? 0);
    }

    private static void Write(PrometheusWriter writer, MetricFamily family, long value)
    {
        writer.BeginFamily(family);
        writer.BeginSample(family.Name, "", LabelSet.Empty);
        writer.EndSample(value);
    }

    private (double? CpuShare, (long Total, long Used)? Memory) Look()
    {
        lock (_lock)
        {
            if (_seen is { } last && time.GetElapsedTime(_seenAt) < interval)
                return last;
            var figures = (machine.ReadCpuShare(), machine.ReadMemory());
            (_seen, _seenAt) = (figures, time.GetTimestamp());
            return figures;
        }
    }
}
