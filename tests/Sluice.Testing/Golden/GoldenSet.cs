namespace Sluice.Testing;

/// <summary>The golden models of one engine, under <c>tests/assets/golden</c>.</summary>
public static class GoldenSet
{
    /// <summary>Folder of an engine's models, found above the running program.</summary>
    public static string FolderOf(string engine)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var candidate = Path.Combine(folder.FullName, "tests", "assets", "golden", engine);
            if (Directory.Exists(candidate)) return candidate;
        }

        throw new DirectoryNotFoundException($"tests/assets/golden/{engine} is not above {AppContext.BaseDirectory}");
    }

    public static GoldenModel Read(string engine, string name) => GoldenModel.Read(Path.Combine(FolderOf(engine), name));

    /// <summary>Names of an engine's models that pass a filter on their description.</summary>
    public static IEnumerable<string> Names(string engine, Func<GoldenModel, bool> filter) =>
        Directory.EnumerateDirectories(FolderOf(engine))
            .Order(StringComparer.Ordinal)
            .Select(GoldenModel.Read)
            .Where(filter)
            .Select(model => model.Name);
}
