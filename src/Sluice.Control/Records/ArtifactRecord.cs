namespace Sluice.Control.Records;

/// <summary>A file or a zipped folder of a service, such as an endpoint's code; its contents are addressed by their hash.</summary>
/// <param name="Name">Unique in its service.</param>
/// <param name="Uri">Where the contents are.</param>
/// <param name="Sha256">Of the contents, lower-case hex.</param>
/// <param name="SizeBytes">Of the contents.</param>
/// <param name="FileName">As it was uploaded.</param>
/// <param name="IsPackage">A folder, zipped.</param>
/// <param name="CreatedAt">When it was uploaded.</param>
public sealed record ArtifactRecord(
    string Name, string Uri, string Sha256, long SizeBytes, string FileName, bool IsPackage, DateTimeOffset CreatedAt)
{
    /// <summary>What <see cref="Artifacts.IArtifactCache"/> needs to have it here.</summary>
    public Artifacts.ArtifactReference Reference => new(Uri, FileName)
    {
        Sha256 = Sha256,
        SizeBytes = SizeBytes,
        IsPackage = IsPackage,
    };
}
