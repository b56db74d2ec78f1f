using System.Globalization;

namespace Sluice.Statistics;

/// <summary>Reads the machine's CPU and memory use from the kernel's files.</summary>
/// <remarks><b>Threads.</b> Any number; the CPU share is that of the time since the last look, shared by all callers.</remarks>
internal sealed class MachineFigures(string folder = "/proc")
{
    private const int IdleField = 3;
    private const int WaitField = 4;
    private const int CountedFields = 8;
    private const long BytesPerKilobyte = 1024;

    private readonly Lock _lock = new();
    private long _busy;
    private long _total;
    private double _share;

    /// <summary>Share of CPU time in use since the last look (at the first one since boot), 0 to 1; null when unknown.</summary>
    public double? ReadCpuShare()
    {
        if (ReadLine("stat", "cpu ") is not { } line)
            return null;
        var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..]
            .Take(CountedFields).Select(text => long.Parse(text, CultureInfo.InvariantCulture)).ToArray();
        var total = fields.Sum();
        var busy = total - fields[IdleField] - fields[WaitField];
        lock (_lock)
        {
            // Two looks within one clock tick would divide by zero; the last figure still holds then.
            if (total > _total)
                _share = Math.Clamp((double)(busy - _busy) / (total - _total), 0, 1);
            (_busy, _total) = (busy, total);
            return _share;
        }
    }

    /// <summary>Memory in all and in use (not available to programs), bytes; null when unknown.</summary>
    public (long Total, long Used)? ReadMemory() =>
        ReadKilobytes("MemTotal:") is { } total && ReadKilobytes("MemAvailable:") is { } available
            ? (total * BytesPerKilobyte, (total - available) * BytesPerKilobyte)
            : null;

    private long? ReadKilobytes(string name) =>
        ReadLine("meminfo", name) is { } line
            ? long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture)
            : null;

    private string? ReadLine(string file, string start)
    {
        var path = Path.Combine(folder, file);
        return File.Exists(path)
            ? File.ReadLines(path).FirstOrDefault(line => line.StartsWith(start, StringComparison.Ordinal))
            : null;
    }
}
