using System.Collections.Immutable;

namespace Sluice.Models;

/// <summary>One model on disk as it was found at one moment.</summary>
public sealed record ModelFolder
{
    /// <summary>The folder's name.</summary>
    public required string Name { get; init; }

    /// <summary>Full path.</summary>
    public required string Path { get; init; }

    /// <summary>Full path of the configuration; null when the model has none.</summary>
    public string? ConfigPath { get; init; }

    /// <summary>Versions in ascending order.</summary>
    public ImmutableArray<ModelVersionFolder> Versions { get; init; } = [];

    /// <summary>Why the model cannot be served whatever it holds; empty when nothing speaks against it.</summary>
    public string Fault { get; init; } = "";

    /// <summary>Set when the files came with a load request.</summary>
    internal OverrideFolder? Overrides { get; init; }

    /// <summary>Changes when any file of the model does.</summary>
    public string Stamp { get; init; } = "";

    /// <summary>By version number: changes when a file of that version, or one that all versions share, does.</summary>
    /// <remarks>The configuration file is left out: what it says is compared instead.</remarks>
    public ImmutableDictionary<long, string> VersionStamps { get; init; } = ImmutableDictionary<long, string>.Empty;
}
