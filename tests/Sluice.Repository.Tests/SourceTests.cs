using System.Globalization;
using System.Text.RegularExpressions;

namespace Sluice.Repository.Tests;

/// <summary>Rules on source files: sizes, log event ids, places that only one machine has.</summary>
public sealed partial class SourceTests
{
    private const int MostLines = 400;

    /// <summary>Files that may be longer; empty, and to stay so.</summary>
    private static readonly string[] LongFiles = [];

    private static readonly Dictionary<string, int> EventBlocks = new(StringComparer.Ordinal)
    {
        ["Sluice.Rpc"] = 1000,
        ["Sluice.Rest"] = 1100,
        ["Sluice.Models"] = 1200,
        ["Sluice.Scheduling"] = 1300,
        ["Sluice.Backends.OnnxRuntime"] = 1400,
        ["Sluice.Statistics"] = 1500,
        ["Sluice.Server"] = 1600,
        ["Sluice.Client"] = 1700,
        ["Sluice.Tensors"] = 1800,
        ["Sluice.Backends.Python"] = 2300,
        ["Sluice.Backends.Samples"] = 1900,
        ["Sluice.Backends.Forest"] = 2600,
        ["Sluice.Http2"] = 2000,
        ["Sluice.Control"] = 2100,
        ["Sluice.History"] = 2700,
    };

    // Written in pieces so that this file does not find itself.
    private static readonly string[] Forbidden =
    [
        "/" + "work/", "/" + "root/", "/" + "farm/", "api." + "nuget", "nuget" + ".org", "registry." + "npmjs", "pypi" + ".org",
        "deb." + "debian.org",
    ];

    [Fact]
    public void Files_OfCode_StayReadable()
    {
        foreach (var path in RepositoryFiles.All.Where(IsCode).Except(LongFiles))
        {
            var most = path.StartsWith("src/", StringComparison.Ordinal) || path.StartsWith("perf/", StringComparison.Ordinal)
                ? MostLines
                : MostLines * 2;
            Assert.True(RepositoryFiles.Lines(path).Length <= most, $"{path} has more than {most} lines: split it");
        }
    }

    [Fact]
    public void EventIds_AreUniqueAndInTheirProjectsBlock()
    {
        var seen = new Dictionary<int, string>();
        foreach (var path in RepositoryFiles.Under("src", ".cs"))
        {
            foreach (Match match in EventId().Matches(RepositoryFiles.Read(path)))
            {
                var id = int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);
                Assert.True(seen.TryAdd(id, path), $"event id {id} of {path} is taken by {seen.GetValueOrDefault(id)}");
                var project = path.Split('/')[1];
                Assert.True(EventBlocks.TryGetValue(project, out var block), $"{project} has no block of event ids");
                Assert.InRange(id, block, block + 99);
            }
        }

        Assert.NotEmpty(seen);
    }

    [Fact]
    public void Files_NameNoMachineAndNoRegistry()
    {
        foreach (var path in RepositoryFiles.All.Where(RepositoryFiles.IsText))
        {
            var text = RepositoryFiles.Read(path);
            foreach (var word in Forbidden)
                Assert.False(text.Contains(word, StringComparison.OrdinalIgnoreCase), $"{path} names '{word}'");
        }
    }

    [Fact]
    public void Files_OfCode_HaveNoRegions() => Assert.All(
        RepositoryFiles.All.Where(path => path.EndsWith(".cs", StringComparison.Ordinal)),
        path => Assert.DoesNotContain(
            RepositoryFiles.Lines(path), line => line.TrimStart().StartsWith("#" + "region", StringComparison.Ordinal)));

    [Fact]
    public void Protos_EveryMessageFieldAndValue_HasAComment()
    {
        foreach (var path in RepositoryFiles.Under("protos", ".proto"))
        {
            var lines = RepositoryFiles.Lines(path);
            for (var i = 0; i < lines.Length; i++)
            {
                if (Declaration().IsMatch(lines[i]))
                    Assert.True(
                        i > 0 && lines[i - 1].TrimStart().StartsWith("//", StringComparison.Ordinal),
                        $"{path}:{i + 1} has no comment: {lines[i].Trim()}");
            }
        }
    }

    private static bool IsCode(string path) =>
        path.EndsWith(".cs", StringComparison.Ordinal) || path.EndsWith(".cc", StringComparison.Ordinal) ||
        path.EndsWith(".h", StringComparison.Ordinal) || path.EndsWith(".py", StringComparison.Ordinal) ||
        path.EndsWith(".ts", StringComparison.Ordinal) || path.EndsWith(".tsx", StringComparison.Ordinal) ||
        path.EndsWith(".mjs", StringComparison.Ordinal) || path.EndsWith(".css", StringComparison.Ordinal);

    [GeneratedRegex(@"EventId\s*=\s*(\d+)")]
    private static partial Regex EventId();

    /// <summary>A field or an enum value, a message, an enum, a service or a method.</summary>
    [GeneratedRegex(@"^\s*((message|enum|service|rpc|oneof)\s+\w+|(repeated\s+|optional\s+)?[\w.<>, ]+\s+\w+\s*=\s*-?\d+\s*(\[[^\]]*\])?;|[A-Z][A-Z0-9_]*\s*=\s*-?\d+\s*(\[[^\]]*\])?;)")]
    private static partial Regex Declaration();
}
