using System.IO.Compression;

namespace Sluice.Cli.Control;

/// <summary>Packs a folder into a zip file of the temporary folder.</summary>
internal static class PackageZip
{
    private static readonly string[] Passed = ["__pycache__", ".git", ".ipynb_checkpoints"];

    /// <summary>Packs all files of a folder.</summary>
    /// <param name="folder">Paths in the package are relative to it.</param>
    /// <param name="level">None for models, which do not get smaller.</param>
    /// <returns>A temporary file that the caller deletes.</returns>
    public static string Create(string folder, CompressionLevel level)
    {
        var path = Path.Combine(Path.GetTempPath(), $"sluice-{Guid.NewGuid():N}.zip");
        using var zip = ZipFile.Open(path, ZipArchiveMode.Create);
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            var name = Path.GetRelativePath(folder, file).Replace(Path.DirectorySeparatorChar, '/');
            if (!name.Split('/').Any(part => Passed.Contains(part)))
                zip.CreateEntryFromFile(file, name, level);
        }

        return path;
    }
}
