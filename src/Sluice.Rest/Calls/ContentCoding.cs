using System.Globalization;

namespace Sluice.Rest.Calls;

/// <summary>Picks the encoding of a response (RFC 9110, 12.5.3); only a client that asks gets one.</summary>
public static class ContentCoding
{
    /// <summary>Picks by weight, gzip before deflate before identity on a tie.</summary>
    /// <param name="acceptEncoding">The header's value.</param>
    /// <returns><c>gzip</c>, <c>deflate</c> or null for none.</returns>
    internal static string? Negotiate(string? acceptEncoding) =>
        acceptEncoding is null || !acceptEncoding.AsSpan().ContainsAny("zfZF") ? null : Pick(acceptEncoding, "gzip", "deflate");

    /// <summary>Picks one of several encodings by weight, the first of them on a tie, and all of them before identity.</summary>
    /// <param name="acceptEncoding">The header's value; null = the client asks for none.</param>
    /// <param name="offered">What there is.</param>
    /// <returns>One of them, or null for none.</returns>
    public static string? Pick(string? acceptEncoding, params ReadOnlySpan<string> offered)
    {
        if (acceptEncoding is null)
            return null;
        var (best, most) = (default(string), WeightOf(acceptEncoding, "identity"));
        foreach (var name in offered)
        {
            var weight = WeightOf(acceptEncoding, name);
            if (weight > most || (best is null && weight > 0 && weight == most))
                (best, most) = (name, weight);
        }

        return best;
    }

    /// <summary>Reads the weight of a name; 0 when it is not asked for.</summary>
    private static double WeightOf(string acceptEncoding, string wanted)
    {
        var weight = 0.0;
        foreach (var part in acceptEncoding.AsSpan().Split(','))
        {
            var item = acceptEncoding.AsSpan()[part];
            var name = item[..(item.IndexOf(';') is var end and >= 0 ? end : item.Length)].Trim();
            if (name.Equals(wanted, StringComparison.OrdinalIgnoreCase))
                weight = Weight(item);
        }

        return weight;
    }

    private static double Weight(ReadOnlySpan<char> item)
    {
        var at = item.IndexOf("q=", StringComparison.OrdinalIgnoreCase);
        if (at < 0)
            return 1;
        return double.TryParse(item[(at + 2)..].Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out var weight)
            ? weight
            : 0;
    }
}
