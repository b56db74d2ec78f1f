namespace Sluice.Server.Composition;

/// <summary>Draws tables for the log as the original does, a line each.</summary>
internal static class TextTable
{
    /// <summary>Draws one.</summary>
    /// <param name="head">Names of the columns.</param>
    /// <param name="rows">As many cells each.</param>
    public static IEnumerable<string> Draw(string[] head, IReadOnlyList<string[]> rows)
    {
        int[] widths = [.. head.Select((name, i) => rows.Select(row => row[i].Length).Append(name.Length).Max())];
        var border = $"+{string.Join('+', widths.Select(width => new string('-', width + 2)))}+";
        yield return border;
        yield return Line(head, widths);
        yield return border;
        foreach (var row in rows)
            yield return Line(row, widths);
        if (rows.Count > 0)
            yield return border;
    }

    private static string Line(string[] cells, int[] widths) =>
        $"| {string.Join(" | ", cells.Select((cell, i) => cell.PadRight(widths[i])))} |";
}
