namespace Sluice.Control.Artifacts;

/// <summary>A stored file and how to know that it is the right one.</summary>
/// <param name="Uri">Where it is.</param>
/// <param name="FileName">The name it gets here; empty = the last part of the address.</param>
public sealed record ArtifactReference(string Uri, string FileName = "")
{
    /// <summary>SHA-256 of the file, lower-case hex; null = not known, so only its size is checked.</summary>
    public string? Sha256 { get; init; }

    /// <summary>Its size in bytes; 0 = not known.</summary>
    public long SizeBytes { get; init; }

    /// <summary>A zipped folder, unpacked once it is here.</summary>
    public bool IsPackage { get; init; }
}
