using Sluice.History.Reports;
using Sluice.Inference;

namespace Sluice.History.Recording;

/// <summary>Reads what the machine is like, as containers report it; what cannot be read is left out.</summary>
/// <remarks><b>Threads.</b> One at a time; rates are those since the last look, at the first one there are none.</remarks>
/// <param name="time">The clock.</param>
/// <param name="kernel">Where it is read.</param>
internal sealed class MachineReader(TimeProvider time, KernelFiles kernel)
{
    private const double BytesPerMegabyte = 1024 * 1024;

    private readonly Dictionary<string, ProcessorTicks> _processors = new(StringComparer.Ordinal);
    private (long Received, long Sent, long At)? _network;

    /// <summary>Reads all of it.</summary>
    public MachineStatistics Read()
    {
        var memory = kernel.ReadMemory();
        var (received, sent) = ReadNetwork();
        return new MachineStatistics
        {
            CpuUsage = ReadProcessors(),
            MemoryUsed = Megabytes(memory?.Total - memory?.Available),
            MemoryFree = Megabytes(memory?.Available),
            NetworkRx = received,
            NetworkTx = sent,
        };
    }

    private List<double> ReadProcessors()
    {
        var shares = new List<double>();
        foreach (var now in kernel.ReadProcessors().Where(processor => processor.Name != "cpu"))
        {
            var last = _processors.GetValueOrDefault(now.Name, now);
            _processors[now.Name] = now;
            shares.Add(Math.Round(100 * now.ShareSince(last.Busy, last.Total) ?? 0, 2));
        }

        return shares;
    }

    private (double? Received, double? Sent) ReadNetwork()
    {
        if (kernel.ReadNetwork() is not var (received, sent))
            return (null, null);
        var now = (Received: received, Sent: sent, At: time.GetTimestamp());
        var last = _network;
        _network = now;
        var seconds = last is null ? 0 : time.GetElapsedTime(last.Value.At, now.At).TotalSeconds;
        return seconds > 0
            ? (Rate(now.Received - last!.Value.Received, seconds), Rate(now.Sent - last.Value.Sent, seconds))
            : (0, 0);
    }

    private static double? Megabytes(long? bytes) => bytes is { } count ? Math.Round(count / BytesPerMegabyte, 2) : null;

    // A device that goes takes its count with it.
    private static double Rate(long bytes, double seconds) => Math.Round(Math.Max(0, bytes) / BytesPerMegabyte / seconds, 4);
}
