using System.Text;

namespace Sluice.Cli.Output;

/// <summary>Writes texts and lists as Python's <c>repr</c> does, for lines that scripts read.</summary>
internal static class PythonText
{
    public static string Repr(IEnumerable<string> items) => $"[{string.Join(", ", items.Select(Repr))}]";

    public static string Repr(string text)
    {
        var quote = text.Contains('\'', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        var result = new StringBuilder().Append(quote);
        foreach (var letter in text)
        {
            result.Append(letter switch
            {
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                _ when letter == quote => "\\" + letter,
                _ when char.IsControl(letter) => $"\\x{(int)letter:x2}",
                _ => letter.ToString(),
            });
        }

        return result.Append(quote).ToString();
    }
}
