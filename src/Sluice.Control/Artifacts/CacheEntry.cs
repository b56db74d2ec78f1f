using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Sluice.Control.Artifacts;

/// <summary>A copy that is there.</summary>
/// <param name="Path">The file, or the folder of a package.</param>
/// <param name="Sha256">Hash of what was fetched.</param>
internal sealed record CachedCopy(string Path, string Sha256);

/// <summary>One copy of the cache: a folder with <c>content</c> and, once it is whole, <c>entry.json</c>.</summary>
/// <remarks><b>Threads.</b> All but the fetch under the cache's lock.</remarks>
internal sealed class CacheEntry(string folder, string uri)
{
    private const string MarkName = "entry.json";

    private readonly List<IProgress<TransferProgress>> _listeners = [];
    private CancellationTokenSource? _fetching;

    public string Folder => folder;

    public string Uri => uri;

    /// <summary>What tells this state of the file from others.</summary>
    public string Tag { get; private init; } = "";

    /// <summary>The folder of the file or of the package's files.</summary>
    public string Content => Path.Combine(folder, "content");

    public Task<CachedCopy> Copy { get; private set; } = Task.FromException<CachedCopy>(new InvalidOperationException("not begun"));

    public int LeaseCount { get; set; }

    public long SizeBytes { get; private set; }

    public DateTimeOffset LastUsedAt { get; set; }

    /// <summary>It was fetched or compared with its hash by this process.</summary>
    public bool IsVerified { get; private set; } = true;

    /// <summary>A name for a folder: equal for what is the same file.</summary>
    public static string KeyOf(ArtifactReference reference, string tag) => Convert.ToHexStringLower(
        SHA256.HashData(Encoding.UTF8.GetBytes($"{reference.Uri}\n{tag}\n{reference.FileName}\n{reference.IsPackage}")))[..40];

    /// <summary>Reads what an earlier process has left; null when it is not whole.</summary>
    public static CacheEntry? Load(string folder)
    {
        try
        {
            var mark = JsonSerializer.Deserialize<Mark>(File.ReadAllText(Path.Combine(folder, MarkName)));
            if (mark is null || !Path.Exists(Path.Combine(folder, mark.Path)))
                return null;
            return new CacheEntry(folder, mark.Uri)
            {
                Tag = mark.Tag,
                SizeBytes = mark.SizeBytes,
                LastUsedAt = Directory.GetLastWriteTimeUtc(folder),
                IsVerified = false,
                Copy = Task.FromResult(new CachedCopy(Path.Combine(folder, mark.Path), mark.Sha256)),
            };
        }
        catch (Exception error) when (error is IOException or JsonException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public void Begin(Func<CancellationToken, Task<CachedCopy>> fetch, CancellationToken stopping)
    {
        IsVerified = true;
        _fetching = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var token = _fetching.Token;
        Copy = Task.Run(() => fetch(token), token);
    }

    public void GiveUp() => _fetching?.Cancel();

    public void Listen(IProgress<TransferProgress>? progress)
    {
        if (progress is null)
            return;
        lock (_listeners)
            _listeners.Add(progress);
    }

    /// <summary>Tells all who wait how far the fetch is.</summary>
    public void Report(TransferProgress progress)
    {
        IProgress<TransferProgress>[] listeners;
        lock (_listeners)
            listeners = [.. _listeners];
        foreach (var listener in listeners)
            listener.Report(progress);
    }

    /// <summary>Marks the copy as whole.</summary>
    /// <param name="path">The file or folder, below <see cref="Folder"/>.</param>
    /// <param name="sha256">Hash of what was fetched.</param>
    /// <param name="tag">What tells this state of the file from others.</param>
    /// <param name="cancellationToken">Ends the hashing of a package.</param>
    public async Task<CachedCopy> FinishAsync(string path, string sha256, string tag, CancellationToken cancellationToken)
    {
        var isFolder = Directory.Exists(path);
        SizeBytes = isFolder ? Files(path).Sum(file => new FileInfo(file).Length) : new FileInfo(path).Length;
        var content = isFolder ? await HashFolderAsync(path, cancellationToken).ConfigureAwait(false) : sha256;
        var mark = new Mark(uri, tag, Path.GetRelativePath(folder, path), sha256, content, SizeBytes);
        await File.WriteAllTextAsync(Path.Combine(folder, MarkName), JsonSerializer.Serialize(mark), cancellationToken)
            .ConfigureAwait(false);
        lock (_listeners)
            _listeners.Clear();
        return new CachedCopy(path, sha256);
    }

    /// <summary>Compares the copy with its hash; null when it is not what was fetched.</summary>
    public async Task<CachedCopy?> ReadAsync(ArtifactReference reference, CancellationToken cancellationToken)
    {
        try
        {
            var text = await File.ReadAllTextAsync(Path.Combine(folder, MarkName), cancellationToken).ConfigureAwait(false);
            var mark = JsonSerializer.Deserialize<Mark>(text)!;
            var path = Path.Combine(folder, mark.Path);
            var actual = Directory.Exists(path)
                ? await HashFolderAsync(path, cancellationToken).ConfigureAwait(false)
                : await HashAsync(path, cancellationToken).ConfigureAwait(false);
            var isRight = actual == mark.ContentSha256 && (reference.Sha256 is null || reference.Sha256 == mark.Sha256);
            return isRight ? new CachedCopy(path, mark.Sha256) : null;
        }
        catch (Exception error) when (error is IOException or JsonException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Removes the copy. False when there is none, or another one is being made in its place.</summary>
    public bool TryDelete()
    {
        try
        {
            // The mark goes first, so that a copy that is half removed is none.
            File.Delete(Path.Combine(folder, MarkName));
            Directory.Delete(folder, recursive: true);
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Hashes a file; lower-case hex.</summary>
    public static async Task<string> HashAsync(string path, CancellationToken cancellationToken)
    {
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 1, FileOptions.SequentialScan);
        await using (stream.ConfigureAwait(false))
            return Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellationToken).ConfigureAwait(false));
    }

    private static async Task<string> HashFolderAsync(string folder, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in Files(folder))
        {
            var line = $"{Path.GetRelativePath(folder, file)}\n{await HashAsync(file, cancellationToken).ConfigureAwait(false)}\n";
            hash.AppendData(Encoding.UTF8.GetBytes(line));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    // What Python compiles beside the code that it runs belongs to nobody.
    private static IEnumerable<string> Files(string folder) => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
        .Where(file => !file.Contains("/__pycache__/", StringComparison.Ordinal)).Order(StringComparer.Ordinal);

    private sealed record Mark(string Uri, string Tag, string Path, string Sha256, string ContentSha256, long SizeBytes);
}
