using System.Globalization;

namespace Sluice.Inference;

/// <summary>What the processors have done since boot.</summary>
/// <param name="Name"><c>cpu</c> for all together, <c>cpu0</c> and so on for each.</param>
/// <param name="Busy">Ticks at work.</param>
/// <param name="Total">All ticks.</param>
public readonly record struct ProcessorTicks(string Name, long Busy, long Total)
{
    /// <summary>Share of the time since an earlier look in which it was at work, 0 to 1; null when no tick has passed.</summary>
    public double? ShareSince(long busy, long total) => Total > total ? Math.Clamp((double)(Busy - busy) / (Total - total), 0, 1) : null;
}

/// <summary>Reads what the kernel tells of the machine; what cannot be read is left out.</summary>
/// <remarks><b>Threads.</b> Any number; nothing is kept.</remarks>
/// <param name="folder">Where the kernel's files are.</param>
public sealed class KernelFiles(string folder = "/proc")
{
    private const long BytesPerKilobyte = 1024;

    // Fields of a line of "stat" behind its name; what guests use is counted in the first ones already.
    private const int IdleField = 3;
    private const int WaitField = 4;
    private const int CountedFields = 8;

    // Fields of a line of "net/dev" behind its name.
    private const int ReceivedField = 0;
    private const int SentField = 8;

    /// <summary>Reads the processors' ticks: all together, then each.</summary>
    public IEnumerable<ProcessorTicks> ReadProcessors()
    {
        foreach (var line in Lines("stat"))
        {
            if (!line.StartsWith("cpu", StringComparison.Ordinal))
                continue;
            var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            var ticks = fields[1..].Take(CountedFields).Select(Number).ToArray();
            if (ticks.Length <= WaitField)
                continue;
            var total = ticks.Sum();
            yield return new ProcessorTicks(fields[0], total - ticks[IdleField] - ticks[WaitField], total);
        }
    }

    /// <summary>Reads the memory in all and that which programs can still have, bytes; null when unknown.</summary>
    public (long Total, long Available)? ReadMemory()
    {
        var values = Lines("meminfo").Select(line => line.Split(':')).Where(parts => parts[0] is "MemTotal" or "MemAvailable" && parts.Length == 2)
            .ToDictionary(parts => parts[0], parts => Number(parts[1].Trim().Split(' ')[0]) * BytesPerKilobyte, StringComparer.Ordinal);
        return values.TryGetValue("MemTotal", out var total) && values.TryGetValue("MemAvailable", out var available) ? (total, available) : null;
    }

    /// <summary>Reads the bytes that all devices but the loop-back have received and sent; null when there is none.</summary>
    public (long Received, long Sent)? ReadNetwork()
    {
        var devices = Lines("net/dev").Select(line => line.Split(':')).Where(parts => parts.Length == 2 && parts[0].Trim() != "lo")
            .Select(parts => parts[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(values => values.Length > SentField).ToList();
        return devices.Count == 0 ? null : (devices.Sum(values => Number(values[ReceivedField])), devices.Sum(values => Number(values[SentField])));
    }

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
