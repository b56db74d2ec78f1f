namespace Sluice.History.Reports;

/// <summary>What a report may have at most; checked before anything of it is kept.</summary>
public static class ReportLimits
{
    /// <summary>Containers in all.</summary>
    public const int Containers = 250_000;

    /// <summary>Characters of an address.</summary>
    public const int UrlCharacters = 2048;

    /// <summary>Characters of any other text.</summary>
    public const int TextCharacters = 1024;

    /// <summary>Bytes of a container's id and its address together, UTF-8: databases index them.</summary>
    public const int KeyBytes = 2400;

    /// <summary>Labels of one kind.</summary>
    public const int Tags = 100;

    /// <summary>References.</summary>
    public const int References = 50;

    /// <summary>Values of one list about the machine.</summary>
    public const int MachineValues = 4096;

    /// <summary>Longest time that a silent container is believed alive.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromDays(30);
}
