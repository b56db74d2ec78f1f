namespace Sluice.Control.Artifacts;

/// <summary>Where artifacts are stored and cached.</summary>
public sealed record ArtifactOptions
{
    /// <summary>Where uploads go that name no other place: a folder, or an address such as <c>s3://bucket/models</c>.</summary>
    public required string Destination { get; init; }

    /// <summary>Folder of local copies.</summary>
    public required string CacheFolder { get; init; }

    /// <summary>Most bytes of local copies that nothing uses. Default 50 GiB.</summary>
    public long CacheBytes { get; init; } = 50L * 1024 * 1024 * 1024;

    /// <summary>Largest file, bytes. Default 1 TiB.</summary>
    public long MaxBytes { get; init; } = 1L << 40;

    /// <summary>Attempts at a transfer. Default 4.</summary>
    public int Attempts { get; init; } = 4;

    /// <summary>Wait before the second attempt; doubled for each further one. Default 250 ms.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Reads a setting of credentials by the name of its environment variable.</summary>
    public Func<string, string?> Credentials { get; init; } = Environment.GetEnvironmentVariable;
}
