using System.IO.Enumeration;
using System.Text.Json;

namespace Sluice.Testing;

/// <summary>One request of a golden model with its expected answer.</summary>
public sealed record GoldenCase(string Name, IReadOnlyList<GoldenTensor> Inputs, IReadOnlyList<GoldenTensor> Outputs);

/// <summary>A model file with the inputs and outputs of the real library, as its <c>about.json</c> states them.</summary>
public sealed class GoldenModel
{
    private readonly List<(string Pattern, GoldenTolerance Rule)> _tolerances = [];

    private GoldenModel(string folder)
    {
        Folder = folder;
        Name = Path.GetFileName(folder);
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "about.json")));
        About = document.RootElement.Clone();
        ErrorAt = About.TryGetProperty("error_expected", out var error) ? error.GetProperty("at").GetString() : null;
        Cases = [.. About.GetProperty("cases").EnumerateArray().Select(ReadCase)];
        var tolerance = About.GetProperty("tolerance");
        if (tolerance.TryGetProperty("mode", out _))
        {
            _tolerances.Add(("*", GoldenTolerance.Read(tolerance)));
        }
        else
        {
            // A rule named exactly comes before a pattern, the longest pattern before shorter ones.
            _tolerances.AddRange(tolerance.EnumerateObject()
                .Select(rule => (rule.Name, GoldenTolerance.Read(rule.Value)))
                .OrderBy(rule => rule.Name.Contains('*')).ThenByDescending(rule => rule.Name.Length));
        }
    }

    public string Name { get; }

    /// <summary>Where <c>model.*</c> lies.</summary>
    public string Folder { get; }

    /// <summary>The whole <c>about.json</c>.</summary>
    public JsonElement About { get; }

    public IReadOnlyList<GoldenCase> Cases { get; }

    /// <summary><c>load</c>, <c>infer</c>, or null when nothing is to fail.</summary>
    public string? ErrorAt { get; }

    public static GoldenModel Read(string folder) => new(folder);

    public GoldenTolerance ToleranceOf(GoldenTensor tensor) =>
        _tolerances.First(rule => FileSystemName.MatchesSimpleExpression(rule.Pattern, tensor.File)).Rule;

    public override string ToString() => Name;

    private GoldenCase ReadCase(JsonElement entry, int index) =>
        new(
            $"{Name}/{index}",
            [.. entry.GetProperty("inputs").EnumerateArray().Select(tensor => GoldenTensor.Read(Folder, tensor))],
            [.. entry.GetProperty("outputs").EnumerateArray().Select(tensor => GoldenTensor.Read(Folder, tensor))]);
}
