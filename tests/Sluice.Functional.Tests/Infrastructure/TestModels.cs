namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>Builds a model repository of the golden ONNX models and those under <c>tests/assets/models</c>.</summary>
internal static class TestModels
{
    /// <summary>Rounds of model <c>slow</c> that no machine finishes within a test.</summary>
    public const long EndlessSteps = 1L << 40;

    /// <summary>Copies every model, also those that cannot be loaded, or only the named ones.</summary>
    public static void CopyTo(string repository, params IReadOnlyCollection<string> only)
    {
        var golden = Sluice.Testing.GoldenSet.FolderOf("onnx");
        foreach (var source in Directory.EnumerateDirectories(golden))
        {
            if (!IsWanted(source, only))
                continue;
            var target = Path.Combine(repository, Path.GetFileName(source));
            var version = Directory.CreateDirectory(Path.Combine(target, "1")).FullName;
            foreach (var file in Directory.EnumerateFiles(source))
            {
                var name = Path.GetFileName(file);
                if (name == "config.pbtxt")
                    File.Copy(file, Path.Combine(target, name));
                else if (Path.GetExtension(name) is ".onnx" or ".bin")
                    File.Copy(file, Path.Combine(version, name));
            }
        }

        var assets = Path.GetFullPath(Path.Combine(golden, "..", "..", "models"));
        foreach (var file in Directory.EnumerateDirectories(assets).Where(folder => IsWanted(folder, only))
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)))
        {
            var target = Path.Combine(repository, Path.GetRelativePath(assets, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }

    private static bool IsWanted(string folder, IReadOnlyCollection<string> only) =>
        only.Count == 0 || only.Contains(Path.GetFileName(folder));
}
