namespace Sluice.Control.Records;

/// <summary>A rule that makes an endpoint of each new model that fits.</summary>
/// <remarks>Fields stand in the order in which they are printed and stored.</remarks>
public sealed record MonitorSpec
{
    /// <summary>Name of the endpoints without their version.</summary>
    public required string BaseServingUrl { get; init; }

    /// <summary>One of <see cref="EngineNames.All"/>.</summary>
    public required string EngineType { get; init; }

    /// <summary>Exact project; null = any.</summary>
    public string? MonitorProject { get; init; }

    /// <summary>Exact name, or a regular expression between ^ and $; null = any.</summary>
    public string? MonitorName { get; init; }

    /// <summary>Tags with the registry's operators.</summary>
    public ValueList<string> MonitorTags { get; init; } = [];

    /// <summary>Published models only.</summary>
    public bool OnlyPublished { get; init; }

    /// <summary>How many of the newest models are served; null = 1.</summary>
    public int? MaxVersions { get; init; }

    /// <summary>Dimensions of each input; -1 = any size.</summary>
    public ValueList<ValueList<long>> InputSize { get; init; } = [];

    /// <summary>numpy type of each input.</summary>
    public ValueList<string> InputType { get; init; } = [];

    /// <summary>Name of each input.</summary>
    public ValueList<string> InputName { get; init; } = [];

    /// <summary>Dimensions of each output.</summary>
    public ValueList<ValueList<long>> OutputSize { get; init; } = [];

    /// <summary>numpy type of each output.</summary>
    public ValueList<string> OutputType { get; init; } = [];

    /// <summary>Name of each output.</summary>
    public ValueList<string> OutputName { get; init; } = [];

    /// <summary>Name of the artifact with the user's code; null = none.</summary>
    public string? PreprocessArtifact { get; init; }

    /// <summary>JSON: an object with nested keys, or a string with a whole config.pbtxt; null = none.</summary>
    public string? AuxiliaryCfg { get; init; }

    /// <summary>Other code for single versions: number to artifact name.</summary>
    public ValueMap<long, string> VersionPreprocessArtifacts { get; init; } = ValueMap<long, string>.Empty;

    /// <summary>The newest version also answers for the name without a version.</summary>
    public bool ServesLatest { get; init; }
}
