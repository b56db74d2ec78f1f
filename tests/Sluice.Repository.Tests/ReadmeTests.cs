using System.Text.RegularExpressions;

namespace Sluice.Repository.Tests;

/// <summary>What the READMEs promise.</summary>
public sealed partial class ReadmeTests
{
    private static readonly string[] Headings =
    [
        "## What it does", "## How a call passes through", "## Rules that must hold", "## Where to start reading",
    ];

    public static TheoryData<string> Folders =>
    [
        .. RepositoryFiles.Under("src", ".csproj").Select(path => Path.GetDirectoryName(path)!), "protos", "perf",
        "perf/Sluice.Benchmarks",
    ];

    [Theory]
    [MemberData(nameof(Folders))]
    public void Folder_HasAReadmeWithTheFourHeadings(string folder)
    {
        var path = $"{folder}/README.md";
        Assert.Contains(path, RepositoryFiles.All);
        var lines = RepositoryFiles.Lines(path);
        Assert.Equal(Headings, lines.Where(line => Headings.Contains(line)));
        Assert.InRange(lines.Length, 8, 120);
    }

    [Fact]
    public void RequestPath_OfTheTopReadme_ExistsFileByFile()
    {
        var section = Regex.Split(RepositoryFiles.Read("README.md"), @"^#{2,3} +", RegexOptions.Multiline)
            .Single(part => part.StartsWith("The request path", StringComparison.Ordinal));
        var paths = SourcePath().Matches(section).Select(match => match.Value).ToArray();
        Assert.True(paths.Length >= 10, "the request path names too few files");
        foreach (var path in paths)
        {
            Assert.True(RepositoryFiles.All.Contains(path), $"{path} does not exist");
            Assert.True(RepositoryFiles.Lines(path).Length <= 400, $"{path} is on the request path and too long to follow");
        }
    }

    [GeneratedRegex(@"src/[\w./]+\.cs")]
    private static partial Regex SourcePath();
}
