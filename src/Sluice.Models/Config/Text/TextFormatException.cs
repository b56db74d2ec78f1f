namespace Sluice.Models;

/// <summary>Says what is wrong with a text-format file, and where.</summary>
public sealed class TextFormatException : Exception
{
    internal TextFormatException(string source, int line, int column, string detail)
        : base($"{source}:{line}:{column}: {detail}")
    {
        File = source;
        Line = line;
        Column = column;
        Detail = detail;
    }

    /// <summary>Name of the text as the caller gave it, usually a file.</summary>
    public string File { get; }

    /// <summary>Line, from 1.</summary>
    public int Line { get; }

    /// <summary>Column in characters, from 1.</summary>
    public int Column { get; }

    /// <summary>The message without the position.</summary>
    public string Detail { get; }
}
