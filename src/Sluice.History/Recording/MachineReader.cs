using System.Globalization;
using Sluice.History.Reports;

namespace Sluice.History.Recording;

/// <summary>Reads what the machine is like from the kernel's files; what cannot be read is left out.</summary>
/// <remarks><b>Threads.</b> One at a time; rates are those since the last look, at the first one there are none.</remarks>
/// <param name="time">The clock.</param>
/// <param name="folder">Where the kernel's files are.</param>
internal sealed class MachineReader(TimeProvider time, string folder = "/proc")
{
    private const double BytesPerMegabyte = 1024 * 1024;
    private const int IdleField = 3;
    private const int WaitField = 4;
    private const int CountedFields = 8;
    private const int ReceivedField = 0;
    private const int SentField = 8;

    private readonly Dictionary<string, (long Busy, long Total)> _processors = new(StringComparer.Ordinal);
    private (long Received, long Sent, long At)? _network;

    /// <summary>Reads all of it.</summary>
    public MachineStatistics Read()
    {
        var memory = ReadMemory();
        var (received, sent) = ReadNetwork();
        return new MachineStatistics
        {
            CpuUsage = ReadProcessors(),
            MemoryUsed = memory?.Used,
            MemoryFree = memory?.Free,
            NetworkRx = received,
            NetworkTx = sent,
        };
    }

    private List<double> ReadProcessors()
    {
        var shares = new List<double>();
        foreach (var line in Lines("stat"))
        {
            var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (!line.StartsWith("cpu", StringComparison.Ordinal) || fields[0].Length <= 3)
                continue;
            var ticks = fields[1..].Take(CountedFields).Select(Number).ToArray();
            if (ticks.Length <= WaitField)
                continue;
            var total = ticks.Sum();
            var busy = total - ticks[IdleField] - ticks[WaitField];
            var (lastBusy, lastTotal) = _processors.GetValueOrDefault(fields[0], (busy, total));
            _processors[fields[0]] = (busy, total);
            shares.Add(total > lastTotal ? Math.Round(Math.Clamp(100.0 * (busy - lastBusy) / (total - lastTotal), 0, 100), 2) : 0);
        }

        return shares;
    }

    private (double Used, double Free)? ReadMemory()
    {
        var values = Lines("meminfo").Select(line => line.Split(':')).Where(parts => parts[0] is "MemTotal" or "MemAvailable" && parts.Length == 2)
            .ToDictionary(parts => parts[0], parts => Number(parts[1].Trim().Split(' ')[0]) / 1024.0, StringComparer.Ordinal);
        return values.TryGetValue("MemTotal", out var total) && values.TryGetValue("MemAvailable", out var free)
            ? (Math.Round(total - free, 2), Math.Round(free, 2))
            : null;
    }

    private (double? Received, double? Sent) ReadNetwork()
    {
        var fields = Lines("net/dev").Select(line => line.Split(':')).Where(parts => parts.Length == 2 && parts[0].Trim() != "lo")
            .Select(parts => parts[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(values => values.Length > SentField).ToList();
        if (fields.Count == 0)
            return (null, null);
        var now = (Received: fields.Sum(values => Number(values[ReceivedField])), Sent: fields.Sum(values => Number(values[SentField])), At: time.GetTimestamp());
        var last = _network;
        _network = now;
        var seconds = last is null ? 0 : time.GetElapsedTime(last.Value.At, now.At).TotalSeconds;
        return seconds > 0
            ? (Rate(now.Received - last!.Value.Received, seconds), Rate(now.Sent - last.Value.Sent, seconds))
            : (0, 0);
    }

    // A device that goes takes its count with it.
    private static double Rate(long bytes, double seconds) => Math.Round(Math.Max(0, bytes) / BytesPerMegabyte / seconds, 4);

    private static long Number(string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;

    private string[] Lines(string file)
    {
        try
        {
            return File.ReadAllLines(Path.Combine(folder, file));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
