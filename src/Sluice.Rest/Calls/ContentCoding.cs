using System.Globalization;

namespace Sluice.Rest.Calls;

/// <summary>Picks the encoding of a response (RFC 9110, 12.5.3); only a client that asks gets one.</summary>
internal static class ContentCoding
{
    /// <summary>Picks by weight, gzip before deflate before identity on a tie.</summary>
    /// <param name="acceptEncoding">The header's value.</param>
    /// <returns><c>gzip</c>, <c>deflate</c> or null for none.</returns>
    public static string? Negotiate(string? acceptEncoding)
    {
        if (acceptEncoding is null || !acceptEncoding.AsSpan().ContainsAny("zfZF"))
            return null;
        var (gzip, deflate, identity) = (0.0, 0.0, 0.0);
        foreach (var part in acceptEncoding.AsSpan().Split(','))
        {
            var item = acceptEncoding.AsSpan()[part];
            var name = item[..(item.IndexOf(';') is var end and >= 0 ? end : item.Length)].Trim();
            if (name.Equals("gzip", StringComparison.OrdinalIgnoreCase))
                gzip = Weight(item);
            else if (name.Equals("deflate", StringComparison.OrdinalIgnoreCase))
                deflate = Weight(item);
            else if (name.Equals("identity", StringComparison.OrdinalIgnoreCase))
                identity = Weight(item);
        }

        if (gzip > 0 && gzip >= deflate && gzip >= identity)
            return "gzip";
        return deflate > 0 && deflate >= identity ? "deflate" : null;
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
