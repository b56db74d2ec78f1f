namespace Sluice.History.Reports;

/// <summary>A container that is believed alive, with its last word; immutable.</summary>
public sealed record ContainerEntry
{
    /// <summary>Unique among all; containers of other programs and replicas of this one never share one.</summary>
    public required string Key { get; init; }

    /// <summary>What it has said.</summary>
    public required ContainerReport Report { get; init; }

    /// <summary>What a replica of this program adds; null = another program's container.</summary>
    public RowFigures? Figures { get; init; }

    /// <summary>When it became known.</summary>
    public required DateTimeOffset RegisteredAt { get; init; }

    /// <summary>When it said something the last time.</summary>
    public required DateTimeOffset UpdatedAt { get; init; }

    /// <summary>How long it is believed alive after that.</summary>
    public required TimeSpan Timeout { get; init; }

    /// <summary>When it is taken for dead.</summary>
    public DateTimeOffset ExpiresAt => UpdatedAt + Timeout;

    /// <summary>Address of its endpoint, also before it serves; null = it has none yet.</summary>
    public string? Url => Figures?.Url ?? Report.EndpointUrl;

    /// <summary>Key of another program's container.</summary>
    public static string KeyOf(string containerId) => "c:" + containerId;

    /// <summary>Key of an endpoint at a replica of this program.</summary>
    public static string KeyOf(string replica, string url) => $"r:{replica}:{url}";
}
