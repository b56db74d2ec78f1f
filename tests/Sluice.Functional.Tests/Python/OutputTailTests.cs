using Sluice.Backends.Python;
using Sluice.Functional.Tests.Control;
using Sluice.Functional.Tests.Infrastructure;

namespace Sluice.Functional.Tests.Python;

/// <summary>What is kept of the lines that code writes has bounds: code may write for as long as it likes.</summary>
[Collection(PythonGroup.Name)]
public sealed class OutputTailTests
{
    private const int MostLines = 1000;
    private const int MostCharacters = 128 * 1024;

    [Fact]
    public void Lines_AreBounded_TheLastOnesStay()
    {
        var tails = new OutputTails();
        for (var i = 0; i < 2 * MostLines; i++)
            tails.Add("m", $"line {i}");
        var lines = tails.Read("m", int.MaxValue);
        Assert.Equal(Enumerable.Range(MostLines, MostLines).Select(i => $"line {i}"), lines);
        Assert.Equal(["line 1998", "line 1999"], tails.Read("m", 2));
        Assert.Empty(tails.Read("other", 2));
    }

    [Fact]
    public void Characters_AreBounded_InALineAndInAll()
    {
        var tails = new OutputTails();
        tails.Add("m", new string('x', 1_000_000));
        Assert.Equal(new string('x', 1000) + "…", Assert.Single(tails.Read("m", 1)));
        for (var i = 0; i < MostLines; i++)
            tails.Add("m", $"{i} {new string('y', 900)}");
        var lines = tails.Read("m", int.MaxValue);
        Assert.InRange(lines.Sum(line => line.Length), MostCharacters - 1000, MostCharacters);
        Assert.StartsWith("999 ", lines[^1], StringComparison.Ordinal);
        Assert.StartsWith($"{MostLines - lines.Count} ", lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Owners_AreBounded()
    {
        const int mostOwners = 1000;
        var tails = new OutputTails();
        for (var i = 0; i < mostOwners + 50; i++)
            tails.Add($"m{i}", "line");
        Assert.Equal(mostOwners, Enumerable.Range(0, mostOwners + 50).Count(i => tails.Read($"m{i}", 1).Count > 0));
        Assert.Single(tails.Read($"m{mostOwners + 49}", 1));
    }

    [Fact]
    public async Task CodeThatWritesWithoutEnd_FillsNoMoreThanItsTail()
    {
        await using var server = await ControlledServer.StartAsync();
        await server.CreateServiceAsync();
        var code = Path.Combine(server.Folder, "preprocess.py");
        await File.WriteAllTextAsync(
            code, "for i in range(3000):\n    print(i, 'x' * 500)\nprint('y' * 5000)\nprint('the end', flush=True)\nclass Preprocess:\n    def process(self, *_):\n        return {}\n");
        await server.DoAsync("model", "add", "--engine", "custom", "--endpoint", "e", "--preprocess", code);
        await server.ReadyAsync("e");
        string[] lines = [];
        await Eventually.TrueAsync(
            () => (lines = ReadAsync(server).GetAwaiter().GetResult()).Any(line => line.Contains("the end", StringComparison.Ordinal)),
            () => $"{lines.Length} lines, without the end");
        Assert.InRange(lines.Sum(line => line.Length), MostCharacters - 2000, MostCharacters);
        Assert.Contains(lines, line => line.EndsWith("yyy…", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("2999 xxx", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.StartsWith("2000 ", StringComparison.Ordinal));
    }

    private static async Task<string[]> ReadAsync(ControlledServer server)
    {
        var text = await server.Http.GetStringAsync($"/v1/metrics/log?endpoint=/serve/e&line_count={MostLines}");
        return [.. System.Text.Json.Nodes.JsonNode.Parse(text)!["lines"]!.AsArray().Select(line => (string)line!)];
    }
}
