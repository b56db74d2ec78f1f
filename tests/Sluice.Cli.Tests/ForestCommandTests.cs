using System.Text.Json;

namespace Sluice.Cli.Tests;

/// <summary><c>forest inspect</c>: what is found goes to standard output, what is wrong is one line.</summary>
public sealed class ForestCommandTests
{
    [Fact]
    public async Task Inspect_PrintsALineForEachFact()
    {
        var (code, output) = await RunAsync(new FakeInspector(), "forest", "inspect", "model.ubj");
        Assert.Equal(0, code);
        Assert.Contains("\nformat                                 XGBoost of model.ubj\n", output, StringComparison.Ordinal);
        Assert.Contains("\none row                                1.25 µs\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Inspect_WithJson_PrintsOneDocument_WithNumbersAsNumbers()
    {
        var (code, output) = await RunAsync(new FakeInspector(), "--json", "forest", "inspect", "model.ubj");
        Assert.Equal(0, code);
        using var document = JsonDocument.Parse(output);
        Assert.Equal("XGBoost of model.ubj", document.RootElement.GetProperty("source").GetString());
        Assert.Equal(1.25, document.RootElement.GetProperty("single_row_us").GetDouble());
    }

    [Theory]
    [InlineData("broken", "Error: 'broken' cannot be read: the text ends at byte 11\n")]
    [InlineData("absent", "Error: 'absent' cannot be opened: there is no such file\n")]
    public async Task Inspect_OfWhatCannotBeRead_EndsWithOne_AndSaysWhy(string file, string message)
    {
        var (code, output) = await RunAsync(new FakeInspector(), "forest", "inspect", file);
        Assert.Equal(1, code);
        Assert.EndsWith(message, output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Inspect_WithoutAnEngine_SaysSo()
    {
        var (code, output) = await RunAsync(null, "forest", "inspect", "model.ubj");
        Assert.Equal(1, code);
        Assert.Contains("no engine for tree ensembles", output, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Output)> RunAsync(IForestInspector? forests, params string[] words)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var line = new ControlCommandLine("sluice", TextReader.Null, output, error) { Forests = forests };
        return (await line.RunAsync(words, CancellationToken.None), output.ToString());
    }

    private sealed class FakeInspector : IForestInspector
    {
        public IReadOnlyList<ForestFact> Inspect(string path) => path switch
        {
            "broken" => throw new InvalidDataException("the text ends at byte 11"),
            "absent" => throw new FileNotFoundException("there is no such file"),
            _ => [new("format", "source", "XGBoost of " + path), new("one row", "single_row_us", "1.25 µs", 1.25)],
        };
    }
}
