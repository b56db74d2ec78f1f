using System.Diagnostics;
using System.Globalization;

namespace Sluice.Testing;

/// <summary>What the fuzz tests of text parsers share: seeds, and damage to texts.</summary>
/// <remarks><c>SLUICE_FUZZ_SECONDS</c> makes a test go on that long with new seeds; a failure names its seed.</remarks>
public static class Fuzz
{
    private static readonly double Seconds = double.Parse(
        Environment.GetEnvironmentVariable("SLUICE_FUZZ_SECONDS") ?? "0", CultureInfo.InvariantCulture);

    /// <summary>Gives the seeds of a test: the same ones each time, then new ones for as long as asked for.</summary>
    public static IEnumerable<int> Seeds(int first, int count)
    {
        for (var seed = first; seed < first + count; seed++)
            yield return seed;
        var fresh = Environment.TickCount & 0x3FFFFFFF;
        for (var watch = Stopwatch.StartNew(); watch.Elapsed.TotalSeconds < Seconds; fresh++)
            yield return fresh;
    }

    /// <summary>Damages a text in one to three places: bytes changed, left out, doubled, cut off, or pieces put in.</summary>
    public static byte[] Damage(Random random, ReadOnlySpan<byte> text, IReadOnlyList<byte[]> pieces)
    {
        var bytes = new List<byte>(text.ToArray());
        for (var count = random.Next(1, 4); count > 0 && bytes.Count > 0; count--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(8))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 8), bytes.Count - at));
                    break;
                case 2:
                    bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(1, 40), bytes.Count - at)));
                    break;
                case 3:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
                default:
                    bytes.InsertRange(at, pieces[random.Next(pieces.Count)]);
                    break;
            }
        }

        return [.. bytes];
    }
}
