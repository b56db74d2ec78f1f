namespace Sluice.History;

/// <summary>How the history is kept.</summary>
public sealed record HistoryOptions
{
    /// <summary>Keep it; off = the calls and the page show the present only.</summary>
    public bool IsOn { get; init; } = true;

    /// <summary>Folder of its file; empty = that of the control plane's store. Not looked at with PostgreSQL.</summary>
    public string Folder { get; init; } = "";

    /// <summary>How long it is kept. Default 31 days; 1 to 366.</summary>
    public TimeSpan Retention { get; init; } = TimeSpan.FromDays(31);

    /// <summary>Most bytes of points in the store; past it the oldest of the finest go first. Default 512 MiB.</summary>
    public long MaxBytes { get; init; } = 512L * 1024 * 1024;

    /// <summary>Time between samples. Default 30 s (spec clearml §6.1); at least 1 s.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(30);
}
