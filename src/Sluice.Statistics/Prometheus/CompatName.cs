using System.Globalization;
using System.Text;

namespace Sluice.Statistics.Prometheus;

/// <summary>Names and numbers as the original's exporter writes them (spec clearml §4.2).</summary>
internal static class CompatName
{
    private const double FirstWithExponent = 1e6;

    /// <summary>Joins an endpoint and a variable: <c>m/1</c> and <c>x</c> become <c>m_1:x</c>.</summary>
    /// <remarks>Parentheses, which the original leaves, would make the whole page unreadable; they become underscores too.</remarks>
    public static string Of(string endpoint, string variable)
    {
        var name = new StringBuilder(endpoint.Length + variable.Length + 2);
        foreach (var letter in $"{endpoint}:{variable}")
            name.Append(char.IsAsciiLetterOrDigit(letter) || letter is ':' or '_' ? letter : '_');
        if (char.IsAsciiDigit(name[0]))
            name.Insert(0, '_');
        return name.ToString();
    }

    /// <summary>Writes a bound with a point, large ones with an exponent: <c>1.0</c>, <c>1e+06</c>.</summary>
    public static byte[] Bound(double value)
    {
        if (double.IsPositiveInfinity(value))
            return "+Inf"u8.ToArray();
        var text = value.ToString(value >= FirstWithExponent ? "0.################e+00" : "R", CultureInfo.InvariantCulture);
        return Encoding.ASCII.GetBytes(text.AsSpan().IndexOfAny('.', 'e', 'E') < 0 ? text + ".0" : text);
    }
}
