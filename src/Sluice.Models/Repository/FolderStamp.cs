using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Sluice.Models;

/// <summary>Sums up names, sizes and times of files, so that a change of any of them shows.</summary>
internal static class FolderStamp
{
    // Deeper than any model needs; it also ends a loop of links.
    private const int MaxDepth = 8;

    private static readonly EnumerationOptions Recursive = new()
    {
        RecurseSubdirectories = true,
        MaxRecursionDepth = MaxDepth,
    };

    /// <summary>Stamps every file below a folder.</summary>
    public static string OfFolder(string folder) =>
        OfFiles(Directory.Exists(folder) ? Directory.EnumerateFiles(folder, "*", Recursive) : []);

    /// <summary>Stamps the given files.</summary>
    public static string OfFiles(IEnumerable<string> files)
    {
        var text = new StringBuilder();
        foreach (var file in files.Order(StringComparer.Ordinal))
        {
            var (size, time) = Read(file);
            text.Append(CultureInfo.InvariantCulture, $"{file}|{size}|{time}\n");
        }

        return Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    private static (long Size, long Time) Read(string file)
    {
        try
        {
            // Kubernetes mounts files as links that are switched; the target is what counts.
            var found = new FileInfo(file);
            if (found.LinkTarget is not null && found.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target)
                found = target;

            return (found.Length, found.LastWriteTimeUtc.Ticks);
        }
        catch (IOException)
        {
            // Removed since it was listed; the next look will not list it and see a change.
            return (-1, 0);
        }
    }
}
