namespace Sluice.Control.Records;

/// <summary>An endpoint that stays as it is until somebody edits it; also what a monitor makes of a model.</summary>
/// <remarks>Fields stand in the order in which they are printed and stored.</remarks>
public sealed record EndpointSpec
{
    /// <summary>One of <see cref="EngineNames.All"/>.</summary>
    public required string EngineType { get; init; }

    /// <summary>Name without its version and without slashes at its ends.</summary>
    public required string ServingUrl { get; init; }

    /// <summary>Model of the registry; null = none.</summary>
    public string? ModelId { get; init; }

    /// <summary>Second part of the key; empty = the key is the name alone.</summary>
    public string Version { get; init; } = "";

    /// <summary>Name of the artifact with the user's code; null = none.</summary>
    public string? PreprocessArtifact { get; init; }

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

    /// <summary>JSON: an object with nested keys, or a string with a whole config.pbtxt; null = none.</summary>
    public string? AuxiliaryCfg { get; init; }

    /// <summary>Also answers for the name without a version; of all that ask for it the highest version does.</summary>
    public bool ServesLatest { get; init; }

    /// <summary>Server of the open inference protocol that runs the model; null = the service's parameter decides.</summary>
    public string? RemoteGrpcServer { get; init; }

    /// <summary><c>name</c> or <c>name/version</c>.</summary>
    public string Key => EndpointKeys.Join(ServingUrl, Version);
}
