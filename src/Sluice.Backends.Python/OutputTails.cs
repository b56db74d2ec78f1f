using System.Collections.Concurrent;

namespace Sluice.Backends.Python;

/// <summary>Remembers the last lines that the processes of each model and endpoint have written.</summary>
/// <remarks><b>Threads.</b> Any number.</remarks>
public sealed class OutputTails
{
    private const int MostOwners = 1000;
    private const int MostLines = 1000;
    private const int MostCharacters = 1000;
    private const int MostCharactersInAll = 128 * 1024;

    private readonly ConcurrentDictionary<string, Tail> _lines = new(StringComparer.Ordinal);

    /// <summary>Lists the last lines, oldest first.</summary>
    /// <param name="owner">Model or key of the endpoint.</param>
    /// <param name="count">Most of them.</param>
    public IReadOnlyList<string> Read(string owner, int count)
    {
        if (!_lines.TryGetValue(owner, out var tail))
            return [];
        lock (tail)
            return [.. tail.Lines.Skip(Math.Max(0, tail.Lines.Count - count))];
    }

    /// <summary>Takes a line.</summary>
    /// <param name="owner">Model or key of the endpoint.</param>
    /// <param name="line">Without its end; cut when it is long.</param>
    public void Add(string owner, string line)
    {
        if (!_lines.TryGetValue(owner, out var tail))
        {
            // The one that has been silent for longest makes room.
            if (_lines.Count >= MostOwners)
                _lines.TryRemove(_lines.MinBy(pair => pair.Value.WrittenAt).Key, out _);
            tail = _lines.GetOrAdd(owner, static _ => new Tail());
        }

        var kept = line.Length <= MostCharacters ? line : line[..MostCharacters] + "…";
        lock (tail)
        {
            tail.WrittenAt = Environment.TickCount64;
            tail.Lines.Enqueue(kept);
            tail.CharacterCount += kept.Length;
            while (tail.Lines.Count > MostLines || tail.CharacterCount > MostCharactersInAll)
                tail.CharacterCount -= tail.Lines.Dequeue().Length;
        }
    }

    private sealed class Tail
    {
        public Queue<string> Lines { get; } = new();

        public int CharacterCount { get; set; }

        public long WrittenAt { get; set; }
    }
}
