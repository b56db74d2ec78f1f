using System.Xml.Linq;

namespace Sluice.Repository.Tests;

/// <summary>The arrows between projects and where versions stand.</summary>
public sealed class ProjectTests
{
    /// <summary>What each project may reference directly; everything points downwards.</summary>
    private static readonly Dictionary<string, string[]> Arrows = new(StringComparer.Ordinal)
    {
        ["Sluice.Tensors"] = [],
        ["Sluice.Inference"] = ["Sluice.Tensors"],
        ["Sluice.Protocol"] = ["Sluice.Inference"],
        ["Sluice.Rpc"] = ["Sluice.Protocol"],
        ["Sluice.Http2"] = ["Sluice.Rpc"],
        ["Sluice.Rest"] = ["Sluice.Rpc"],
        ["Sluice.Web"] = ["Sluice.Rest"],
        ["Sluice.Models"] = ["Sluice.Inference", "Sluice.Protocol"],
        ["Sluice.Scheduling"] = ["Sluice.Models"],
        ["Sluice.Statistics"] = ["Sluice.Inference"],
        ["Sluice.Backends.OnnxRuntime"] = ["Sluice.Inference"],
        ["Sluice.Backends.Python"] = ["Sluice.Inference"],
        ["Sluice.Backends.Samples"] = ["Sluice.Inference"],
        ["Sluice.Backends.Forest"] = ["Sluice.Inference"],
        ["Sluice.Backends.Remote"] = ["Sluice.Inference", "Sluice.Client"],
        ["Sluice.Control"] = ["Sluice.Models", "Sluice.Rpc"],
        ["Sluice.History"] = ["Sluice.Control"],
        ["Sluice.Client"] = ["Sluice.Protocol"],
        ["Sluice.Cli"] = ["Sluice.Client"],
        ["Sluice.Server"] =
        [
            "Sluice.Http2", "Sluice.Rest", "Sluice.Scheduling", "Sluice.Statistics", "Sluice.Backends.OnnxRuntime",
            "Sluice.Backends.Samples", "Sluice.Backends.Forest", "Sluice.Backends.Python", "Sluice.Backends.Remote", "Sluice.Control",
            "Sluice.History", "Sluice.Cli", "Sluice.Client", "Sluice.Web",
        ],
    };

    public static TheoryData<string> Sources => [.. RepositoryFiles.Under("src", ".csproj")];

    [Theory]
    [MemberData(nameof(Sources))]
    public void Arrows_OfAProject_PointOnlyWhereTheyMay(string path)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        Assert.True(Arrows.TryGetValue(name, out var allowed), $"{name} is not in the table of arrows");
        Assert.All(References(path), target => Assert.Contains(target, allowed));
    }

    [Fact]
    public void Arrows_ToTheServer_ComeFromTestsAndBenchmarksOnly()
    {
        var users = RepositoryFiles.All.Where(path => path.EndsWith(".csproj", StringComparison.Ordinal))
            .Where(path => References(path).Contains("Sluice.Server"));
        Assert.All(users, path => Assert.True(
            path.StartsWith("tests/", StringComparison.Ordinal) || path.StartsWith("perf/Sluice.Benchmarks/", StringComparison.Ordinal),
            path));
    }

    [Fact]
    public void Arrows_OfSources_NeverReachTests() => Assert.All(
        RepositoryFiles.Under("src", ".csproj"), path => Assert.DoesNotContain("tests/", RepositoryFiles.Read(path), StringComparison.Ordinal));

    [Fact]
    public void Versions_OfPackages_StandInOnePlace()
    {
        foreach (var path in RepositoryFiles.All.Where(path => path.EndsWith(".csproj", StringComparison.Ordinal)))
        {
            foreach (var package in XDocument.Parse(RepositoryFiles.Read(path)).Descendants("PackageReference"))
            {
                Assert.True(
                    package.Attribute("Version") is null && package.Attribute("VersionOverride") is null,
                    $"{path}: {package.Attribute("Include")?.Value} has a version of its own");
            }
        }
    }

    [Fact]
    public void Solution_Lists_EveryProject()
    {
        var solution = RepositoryFiles.Read("Server.sln").Replace('\\', '/');
        Assert.All(
            RepositoryFiles.All.Where(path => path.EndsWith(".csproj", StringComparison.Ordinal)),
            path => Assert.Contains($"\"{path}\"", solution, StringComparison.Ordinal));
    }

    private static IEnumerable<string> References(string path) => XDocument.Parse(RepositoryFiles.Read(path))
        .Descendants("ProjectReference")
        .Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/')));
}
