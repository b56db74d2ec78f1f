namespace Sluice.Control.Artifacts;

/// <summary>A local copy that stays as long as this is not disposed.</summary>
/// <remarks><b>Ownership.</b> Dispose once. <b>Threads.</b> Any.</remarks>
public sealed class ArtifactLease : IDisposable
{
    private Action? _release;

    /// <summary>Creates a lease.</summary>
    /// <param name="path">The file, or the folder of a package.</param>
    /// <param name="sha256">Hash of what was fetched, lower-case hex.</param>
    /// <param name="release">Called once when it is disposed.</param>
    public ArtifactLease(string path, string sha256, Action? release = null)
    {
        Path = path;
        Sha256 = sha256;
        _release = release;
    }

    /// <summary>The file, or the folder of a package. Never written to.</summary>
    public string Path { get; }

    /// <summary>Hash of what was fetched (of a package's zip), lower-case hex.</summary>
    public string Sha256 { get; }

    /// <inheritdoc/>
    public void Dispose() => Interlocked.Exchange(ref _release, null)?.Invoke();
}
