using Sluice.Inference;

namespace Sluice.Models;

/// <summary>A model's folder made of files that came with a load request, in a temporary folder of our own.</summary>
/// <remarks>
/// <para><b>Ownership.</b> Counted: its maker holds one reference, every version loaded from it another one, because engines may
/// read their files again while they serve. With the last one the folder is removed.</para>
/// <para><b>Threads.</b> References may be released on any thread.</para>
/// </remarks>
internal sealed class OverrideFolder
{
    /// <summary>Most files of one request.</summary>
    public const int MaxFiles = 1024;

    /// <summary>Most bytes of one request's files.</summary>
    public const long MaxBytes = int.MaxValue;

    private const int LongestPath = 512;
    private const int MaxDepth = 8;

    private readonly string _root;
    private int _references = 1;

    private OverrideFolder(string root, string modelPath)
    {
        _root = root;
        ModelPath = modelPath;
    }

    /// <summary>Full path of the model's folder.</summary>
    public string ModelPath { get; }

    /// <summary>Writes the files.</summary>
    /// <param name="model">A checked name.</param>
    /// <param name="files">Contents by path, relative to the model's folder: <c>VERSION/NAME</c>.</param>
    /// <returns>A folder with one reference, the caller's.</returns>
    /// <exception cref="InferenceException">
    /// <see cref="InferenceCode.InvalidArgument"/>: a path leads out of the folder; <see cref="InferenceCode.ResourceExhausted"/>:
    /// the files are too many or too large; <see cref="InferenceCode.Internal"/>: they cannot be written.
    /// </exception>
    public static OverrideFolder Create(string model, IReadOnlyDictionary<string, ReadOnlyMemory<byte>> files)
    {
        foreach (var path in files.Keys)
            CheckPath(model, path);
        if (files.Keys.GroupBy(WithinModel).FirstOrDefault(same => same.Count() > 1) is { } twice)
            throw InferenceException.Invalid($"failed to load '{model}', the file '{twice.Key}' comes twice");
        var bytes = files.Values.Sum(content => (long)content.Length);
        if (files.Count > MaxFiles || bytes > MaxBytes)
            throw new InferenceException(
                InferenceCode.ResourceExhausted,
                $"failed to load '{model}', {files.Count} files of {bytes} bytes are more than the limit of {MaxFiles} files and " +
                $"{MaxBytes} bytes");
        var root = "";
        try
        {
            root = Directory.CreateTempSubdirectory("sluice-model-").FullName;
            var folder = new OverrideFolder(root, Path.Combine(root, model));
            Directory.CreateDirectory(folder.ModelPath);
            foreach (var (path, content) in files)
                folder.Write(WithinModel(path), content);
            return folder;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            if (root.Length > 0)
                Remove(root);
            throw new InferenceException(
                InferenceCode.Internal,
                $"failed to load '{model}', failed to poll from model repository: its files cannot be written " +
                $"({error.GetType().Name})",
                error);
        }
    }

    /// <summary>Takes over a folder that is there already.</summary>
    /// <param name="root">Removed with the last reference.</param>
    /// <param name="model">The model's folder within it.</param>
    public static OverrideFolder Adopt(string root, string model) => new(root, Path.Combine(root, model));

    /// <summary>Adds a reference; only who holds one may.</summary>
    public OverrideFolder AddReference()
    {
        Interlocked.Increment(ref _references);
        return this;
    }

    /// <summary>Drops a reference.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _references) == 0)
            Remove(_root);
    }

    /// <summary>A path may begin with a slash, which stands for the model's folder.</summary>
    private static string WithinModel(string path) => path.StartsWith('/') ? path[1..] : path;

    private static void CheckPath(string model, string path)
    {
        var segments = WithinModel(path).Split('/');
        if (path.Length > LongestPath || segments.Length > MaxDepth || path.AsSpan().ContainsAny('\\', '\0') ||
            Array.Exists(segments, segment => segment is "" or "." or ".."))
            throw InferenceException.Invalid(
                $"failed to load '{model}', load parameter 'file:{path}' must name a file inside the model's folder");
    }

    private static void Remove(string root)
    {
        try
        {
            Directory.Delete(root, recursive: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // What the system's temporary folder keeps too long, the system removes.
        }
    }

    private void Write(string path, ReadOnlyMemory<byte> content)
    {
        var full = Path.Combine(ModelPath, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        using var file = File.OpenHandle(full, FileMode.CreateNew, FileAccess.Write);
        RandomAccess.Write(file, content.Span, 0);
    }
}
