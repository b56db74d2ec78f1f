using System.Globalization;

namespace Sluice.Backends.Forest.Formats;

/// <summary>Numbers as the libraries write them into text.</summary>
internal static class FormatNumber
{
    public static bool TryParse(string text, out double number) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out number);
}
