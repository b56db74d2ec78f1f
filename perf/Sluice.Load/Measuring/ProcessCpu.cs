using System.Globalization;

namespace Sluice.Load.Measuring;

/// <summary>Reads the CPU time of a process and its children from <c>/proc</c>.</summary>
internal static class ProcessCpu
{
    // USER_HZ, fixed by Linux's interface to user programs.
    private const double TicksPerSecond = 100;

    /// <summary>Returns user and system time so far, of living descendants and of ended children too.</summary>
    /// <exception cref="IOException">There is no such process.</exception>
    public static TimeSpan Read(int processId)
    {
        var total = 0L;
        var parents = new Dictionary<int, List<int>>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var id) &&
                TryReadFields(id, out var fields))
                (parents.TryGetValue(int.Parse(fields[1], CultureInfo.InvariantCulture), out var list)
                    ? list
                    : parents[int.Parse(fields[1], CultureInfo.InvariantCulture)] = []).Add(id);
        }

        var waiting = new Stack<int>([processId]);
        while (waiting.TryPop(out var id))
        {
            if (TryReadFields(id, out var fields))
            {
                // Behind the name: state, parent, …; 11 to 14 are utime, stime, cutime, cstime (proc(5)).
                for (var i = 11; i <= 14; i++)
                    total += long.Parse(fields[i], CultureInfo.InvariantCulture);
            }
            else if (id == processId)
            {
                throw new IOException($"there is no process {processId}");
            }

            foreach (var child in parents.GetValueOrDefault(id, []))
                waiting.Push(child);
        }

        return TimeSpan.FromSeconds(total / TicksPerSecond);
    }

    private static bool TryReadFields(int processId, out string[] fields)
    {
        fields = [];
        try
        {
            var text = File.ReadAllText($"/proc/{processId}/stat");
            fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            return true;
        }
        catch (IOException)
        {
            return false;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }
}
