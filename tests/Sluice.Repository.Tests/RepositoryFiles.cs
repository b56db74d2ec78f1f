using System.Diagnostics;

namespace Sluice.Repository.Tests;

/// <summary>The files of this repository as git knows them, new ones included.</summary>
internal static class RepositoryFiles
{
    private static readonly Lazy<string> LazyRoot = new(() =>
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Server.sln")))
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("not inside the repository");
        return folder;
    });

    private static readonly Lazy<string[]> LazyAll = new(() => List("ls-files", "--cached", "--others", "--exclude-standard"));

    public static string Root => LazyRoot.Value;

    /// <summary>Paths relative to the root; those that git ignores are not among them.</summary>
    public static IEnumerable<string> All => LazyAll.Value.Where(path => File.Exists(Path.Combine(Root, path)));

    public static IEnumerable<string> Under(string folder, string ending) => All.Where(
        path => path.StartsWith(folder + "/", StringComparison.Ordinal) && path.EndsWith(ending, StringComparison.Ordinal));

    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    public static string[] Lines(string path) => File.ReadAllLines(Path.Combine(Root, path));

    /// <summary>False for what is no text, such as models and arrays.</summary>
    public static bool IsText(string path)
    {
        using var file = File.OpenRead(Path.Combine(Root, path));
        var head = new byte[4096];
        return head.AsSpan(0, file.Read(head)).IndexOf((byte)0) < 0;
    }

    private static string[] List(params string[] arguments)
    {
        var start = new ProcessStartInfo("git", arguments) { WorkingDirectory = Root, RedirectStandardOutput = true };
        using var git = Process.Start(start)!;
        var output = git.StandardOutput.ReadToEnd();
        git.WaitForExit();
        Assert.Equal(0, git.ExitCode);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
