namespace Sluice.Models;

/// <summary>Finds the known name that a misspelt one was meant to be.</summary>
internal static class Suggestion
{
    // A longer name cannot be near a known one; this bounds the work on hostile input.
    private const int LongestName = 64;

    /// <returns><c>"; did you mean 'x'?"</c>, or nothing when no name is near.</returns>
    public static string For(string name, IEnumerable<string> known)
    {
        if (name.Length > LongestName)
            return "";

        var limit = Math.Max(1, name.Length / 3);
        var best = known
            .Select(k => (Name: k, Distance: Distance(name.ToLowerInvariant(), k.ToLowerInvariant())))
            .Where(k => k.Distance <= limit)
            .OrderBy(k => k.Distance)
            .FirstOrDefault();
        return best.Name is null ? "" : $"; did you mean '{best.Name}'?";
    }

    /// <summary>Counts insertions, deletions, replacements and swaps of neighbours between two words.</summary>
    internal static int Distance(string a, string b)
    {
        var (older, old, current) = (new int[b.Length + 1], new int[b.Length + 1], new int[b.Length + 1]);
        for (var j = 0; j <= b.Length; j++)
            old[j] = j;

        for (var i = 1; i <= a.Length; i++)
        {
            current[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var replace = old[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                current[j] = Math.Min(replace, Math.Min(old[j], current[j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    current[j] = Math.Min(current[j], older[j - 2] + 1);
            }

            (older, old, current) = (old, current, older);
        }

        return old[b.Length];
    }
}
