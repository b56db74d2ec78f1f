using System.Collections.Concurrent;

namespace Sluice.Backends.Python;

/// <summary>Remembers the last lines that the processes of each model and endpoint have written.</summary>
/// <remarks><b>Threads.</b> Any number.</remarks>
public sealed class OutputTails
{
    private const int MostOwners = 1000;
    private const int MostLines = 1000;
    private const int MostCharacters = 1000;

    private readonly ConcurrentDictionary<string, Queue<string>> _lines = new(StringComparer.Ordinal);

    /// <summary>Lists the last lines, oldest first.</summary>
    /// <param name="owner">Model or key of the endpoint.</param>
    /// <param name="count">Most of them.</param>
    public IReadOnlyList<string> Read(string owner, int count)
    {
        if (!_lines.TryGetValue(owner, out var lines))
            return [];
        lock (lines)
            return [.. lines.Skip(Math.Max(0, lines.Count - count))];
    }

    internal void Add(string owner, string line)
    {
        if (!_lines.TryGetValue(owner, out var lines))
        {
            if (_lines.Count >= MostOwners)
                return;
            lines = _lines.GetOrAdd(owner, static _ => new Queue<string>());
        }

        lock (lines)
        {
            lines.Enqueue(line.Length <= MostCharacters ? line : line[..MostCharacters] + "…");
            if (lines.Count > MostLines)
                lines.Dequeue();
        }
    }
}
