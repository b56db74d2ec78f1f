namespace Sluice.Models.Tests;

/// <summary>A folder that lives as long as its test.</summary>
internal sealed class TempFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("sluice-models-").FullName;

    /// <summary>Writes a file, and folders above it, with a time that differs from all earlier ones.</summary>
    public string Write(string relative, string content = "")
    {
        var path = System.IO.Path.Combine(Path, relative);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        File.SetLastWriteTimeUtc(path, DateTime.UnixEpoch.AddSeconds(Interlocked.Increment(ref _clock)));
        return path;
    }

    public void Delete(string relative) => Directory.Delete(System.IO.Path.Combine(Path, relative), recursive: true);

    public void Dispose() => Directory.Delete(Path, recursive: true);

    private static int _clock = 1_000_000;
}
