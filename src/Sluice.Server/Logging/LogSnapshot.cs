using Microsoft.Extensions.Logging;

namespace Sluice.Server.Logging;

/// <summary>How log lines look.</summary>
public enum LogFormat
{
    /// <summary>Level letter, date, time, process, source, then the quoted message, as the original writes it.</summary>
    Default,

    /// <summary>ISO 8601 time, level letter, process, source, then the quoted message.</summary>
    Iso8601,

    /// <summary>One JSON object per line.</summary>
    Json,
}

/// <summary>What is logged, and how.</summary>
/// <remarks>The levels are independent of each other, as in the original: details may be on while information is off.</remarks>
public sealed record LogSnapshot
{
    /// <summary>Lines of level information.</summary>
    public bool LogsInfo { get; init; } = true;

    /// <summary>Warnings.</summary>
    public bool LogsWarning { get; init; } = true;

    /// <summary>Errors.</summary>
    public bool LogsError { get; init; } = true;

    /// <summary>0 = no details, 1 = details, 2 and more = everything.</summary>
    public uint VerboseLevel { get; init; }

    /// <summary>How lines look.</summary>
    public LogFormat Format { get; init; }

    /// <summary>Where lines go; empty = standard error. Fixed at the start.</summary>
    public string File { get; init; } = "";

    /// <summary>Tells whether lines of a level are written.</summary>
    public bool IsEnabled(LogLevel level) => level switch
    {
        LogLevel.Trace => VerboseLevel > 1,
        LogLevel.Debug => VerboseLevel > 0,
        LogLevel.Information => LogsInfo,
        LogLevel.Warning => LogsWarning,
        LogLevel.Error or LogLevel.Critical => LogsError,
        _ => false,
    };
}
