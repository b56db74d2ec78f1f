using Sluice.Control.Artifacts;

namespace Sluice.Control.Records;

/// <summary>One model of the registry.</summary>
public sealed record ModelRecord
{
    /// <summary>System tag of a model whose file is a zipped folder.</summary>
    public const string PackageTag = "package";

    /// <summary>Given by the server; 32 hex digits; never changes.</summary>
    public required string Id { get; init; }

    /// <summary>For people; need not be unique.</summary>
    public required string Name { get; init; }

    /// <summary>Its project.</summary>
    public required string Project { get; init; }

    /// <summary>What selects it.</summary>
    public ValueList<string> Tags { get; init; } = [];

    /// <summary>What the server noted, such as <see cref="PackageTag"/>.</summary>
    public ValueList<string> SystemTags { get; init; } = [];

    /// <summary>Token of the framework, such as <c>onnx</c>.</summary>
    public string Framework { get; init; } = "custom";

    /// <summary>Its file and name stay as they are.</summary>
    public bool IsPublished { get; init; }

    /// <summary>Hidden from queries.</summary>
    public bool IsArchived { get; init; }

    /// <summary>When it was entered.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>Place in the order in which models were entered, the same on all replicas; given by the store.</summary>
    public long CreatedOrder { get; init; }

    /// <summary>Where its file is.</summary>
    public required string Uri { get; init; }

    /// <summary>Name of its file.</summary>
    public string FileName { get; init; } = "";

    /// <summary>Size of its file; 0 = not known.</summary>
    public long SizeBytes { get; init; }

    /// <summary>SHA-256 of its file, lower-case hex; empty = not known.</summary>
    public string Sha256 { get; init; } = "";

    /// <summary>Class names by label, or what else a user notes.</summary>
    public ValueMap<string, string> Labels { get; init; } = ValueMap<string, string>.Empty;

    /// <summary>For people.</summary>
    public string Comment { get; init; } = "";

    /// <summary>When it last changed.</summary>
    public DateTimeOffset UpdatedAt { get; init; }

    /// <summary>The server stored its file, so it goes with the model.</summary>
    public bool IsManaged { get; init; }

    /// <summary>True when the file is a zipped folder.</summary>
    public bool IsPackage => SystemTags.Contains(PackageTag);

    /// <summary>What <see cref="IArtifactCache"/> needs to have its file here.</summary>
    public ArtifactReference Reference => new(Uri, FileName)
    {
        Sha256 = Sha256.Length == 0 ? null : Sha256,
        SizeBytes = SizeBytes,
        IsPackage = IsPackage,
    };
}
