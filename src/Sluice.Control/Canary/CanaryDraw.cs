using System.Collections.Immutable;
using System.Text;

namespace Sluice.Control.Canaries;

/// <summary>Chooses one of a canary's arms for one call.</summary>
public static class CanaryDraw
{
    /// <summary>Chooses by chance.</summary>
    /// <param name="arms">At least one; shares add up to 1.</param>
    /// <param name="draw">From 0 to below 1, evenly spread.</param>
    /// <returns>Index of the arm; never one whose share is 0.</returns>
    public static int Pick(ImmutableArray<CanaryArm> arms, double draw)
    {
        var last = 0;
        for (var i = 0; i < arms.Length; i++)
        {
            if (arms[i].Share <= 0)
                continue;
            last = i;
            draw -= arms[i].Share;
            if (draw < 0)
                return i;
        }

        return last;
    }

    /// <summary>Chooses by a caller's key: the same key has the same arm, on all replicas, and as arms come and go only those
    /// callers move whose arm loses share or who are needed for a new one (weighted rendezvous hashing).</summary>
    /// <param name="arms">At least one; shares add up to 1.</param>
    /// <param name="canary">The canary's name, so that two canaries split their callers apart.</param>
    /// <param name="key">The caller's key.</param>
    public static int Stick(ImmutableArray<CanaryArm> arms, string canary, string key)
    {
        var (best, bestScore) = (0, double.PositiveInfinity);
        for (var i = 0; i < arms.Length; i++)
        {
            if (arms[i].Share <= 0)
                continue;
            var hash = Hash($"{canary}\n{arms[i].Key}\n{key}");
            var even = ((hash >> 11) + 0.5) / (1UL << 53);
            var score = -Math.Log(even) / arms[i].Share;
            if (score < bestScore)
                (best, bestScore) = (i, score);
        }

        return best;
    }

    /// <summary>FNV-1a with a last mixing, as its high bits alone are not even.</summary>
    private static ulong Hash(string text)
    {
        var hash = 14695981039346656037UL;
        foreach (var value in Encoding.UTF8.GetBytes(text))
            hash = (hash ^ value) * 1099511628211UL;
        hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9UL;
        hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBUL;
        return hash ^ (hash >> 31);
    }
}
