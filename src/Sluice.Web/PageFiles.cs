using System.Reflection;
using System.Security.Cryptography;

namespace Sluice.Web;

/// <summary>The files of the page as the build left them in this assembly; empty when the page was not built.</summary>
internal sealed class PageFiles
{
    private const string Prefix = "page/";
    private const string HashedFolder = "/assets/";

    private static readonly Dictionary<string, string> ContentTypes = new(StringComparer.Ordinal)
    {
        [".html"] = "text/html; charset=utf-8",
        [".js"] = "text/javascript; charset=utf-8",
        [".css"] = "text/css; charset=utf-8",
        [".svg"] = "image/svg+xml",
    };

    private readonly Dictionary<string, PageAsset> _byPath;

    /// <param name="files">By path, such as <c>/index.html</c>; each with its <c>.gz</c> and <c>.br</c> beside it.</param>
    public PageFiles(IReadOnlyDictionary<string, byte[]> files) => _byPath = files
        .Where(file => ContentTypes.ContainsKey(Path.GetExtension(file.Key)))
        .Select(file => new PageAsset(
            file.Key, ContentTypes[Path.GetExtension(file.Key)], Tag(file.Value),
            file.Key.StartsWith(HashedFolder, StringComparison.Ordinal), file.Value, files[file.Key + ".gz"], files[file.Key + ".br"]))
        .ToDictionary(asset => asset.Path, StringComparer.Ordinal);

    /// <summary>The page itself; null when it was not built.</summary>
    public PageAsset? Index => Find("/index.html");

    /// <summary>Lists all files.</summary>
    public IReadOnlyCollection<PageAsset> All => _byPath.Values;

    /// <summary>Reads the files that were built into this assembly.</summary>
    public static PageFiles Embedded()
    {
        var assembly = Assembly.GetExecutingAssembly();
        return new PageFiles(assembly.GetManifestResourceNames().Where(name => name.StartsWith(Prefix, StringComparison.Ordinal))
            .ToDictionary(name => name[(Prefix.Length - 1)..], name => Read(assembly, name)));
    }

    /// <summary>Finds a file; null when there is none.</summary>
    public PageAsset? Find(string path) => _byPath.GetValueOrDefault(path);

    private static string Tag(byte[] contents) => $"\"{Convert.ToHexStringLower(SHA256.HashData(contents).AsSpan(0, 12))}\"";

    private static byte[] Read(Assembly assembly, string name)
    {
        using var stream = assembly.GetManifestResourceStream(name)!;
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
