using System.IO.Enumeration;
using System.Text.RegularExpressions;

namespace Sluice.Repository.Tests;

/// <summary>What can be said of the image's recipe without a container engine.</summary>
public sealed partial class DockerfileTests
{
    private static readonly string[] Lines = File.ReadAllText(Path.Combine(RepositoryFiles.Root, "Dockerfile.gpu"))
        .Replace("\\\n", " ", StringComparison.Ordinal).Split('\n');

    [Fact]
    public void CopiedFiles_AreThere_AndReachTheBuilder()
    {
        var ignored = RepositoryFiles.Lines(".dockerignore");
        var copies = Lines.Where(line => line.StartsWith("COPY ", StringComparison.Ordinal) && !line.Contains("--from=", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(copies);
        foreach (var source in copies.SelectMany(line => line.Split(' ')[1..^1]))
        {
            var files = RepositoryFiles.All.Where(path => path == source || path.StartsWith(source + "/", StringComparison.Ordinal)).ToList();
            Assert.True(files.Count > 0, $"{source} is copied and does not exist");
            Assert.All(files, path => Assert.False(IsIgnored(ignored, path), $"{path} is copied, and .dockerignore leaves it out"));
        }
    }

    [Fact]
    public void CopiedStages_AreBefore_OrAreBuildContexts()
    {
        var stages = new HashSet<string>(["onnxruntime"], StringComparer.Ordinal);
        foreach (var line in Lines)
        {
            if (StageName().Match(line) is { Success: true } stage)
                stages.Add(stage.Groups[1].Value);
            if (StageUse().Match(line) is { Success: true } use)
                Assert.True(stages.Contains(use.Groups[1].Value), line);
        }
    }

    /// <summary>A server that is built without the page starts and serves 404 at its address, which nobody notices here.</summary>
    [Fact]
    public void Page_IsMade_AndLiesWhereTheServerEmbedsIt_BeforeTheServerIsPublished()
    {
        var folder = PageFolder().Match(RepositoryFiles.Read("src/Sluice.Web/Sluice.Web.csproj")).Groups[1].Value;
        Assert.NotEmpty(folder);
        var made = Array.FindIndex(Lines, line => line.StartsWith("RUN ", StringComparison.Ordinal) && line.EndsWith("scripts/build-web.sh", StringComparison.Ordinal));
        var copied = Array.IndexOf(Lines, $"COPY --from=page /source/{folder} {folder}");
        var published = Array.FindIndex(Lines, line => line.Contains("dotnet publish", StringComparison.Ordinal));
        Assert.True(made > 0 && made < copied && copied < published, $"made in line {made}, copied in {copied}, published in {published}");
    }

    /// <summary>The last pattern that fits a path, or a folder above it, decides.</summary>
    private static bool IsIgnored(string[] patterns, string path)
    {
        var ignored = false;
        foreach (var pattern in patterns)
        {
            var name = pattern.TrimStart('!');
            if (name == "**" || FileSystemName.MatchesSimpleExpression(name, path, ignoreCase: false) || path.StartsWith(name + "/", StringComparison.Ordinal))
                ignored = !pattern.StartsWith('!');
        }

        return ignored;
    }

    [GeneratedRegex(@"^FROM \S+ AS (\S+)$")]
    private static partial Regex StageName();

    [GeneratedRegex(@"--from=(\S+)")]
    private static partial Regex StageUse();

    [GeneratedRegex(@"<PageFolder>\$\(MSBuildThisFileDirectory\)\.\./\.\./([\w/]+)/</PageFolder>")]
    private static partial Regex PageFolder();
}
