using System.Globalization;
using Sluice.Backends.Forest;
using Sluice.Cli;

namespace Sluice.Server;

/// <summary>What <c>sluice forest inspect</c> shows: the engine's report in lines.</summary>
internal sealed class ForestInspector : IForestInspector
{
    private const int MostNames = 8;

    /// <inheritdoc/>
    public IReadOnlyList<ForestFact> Inspect(string path)
    {
        var report = ForestReport.Read(path);
        var facts = new List<ForestFact>
        {
            new("format", "source", report.Source),
            new("objective", "objective", report.Objective.Length > 0 ? report.Objective : "not named"),
            Count("trees", "trees", report.TreeCount),
            Count("rounds", "rounds", report.RoundCount),
            new("depth", "max_depth", Text($"{report.MaxDepth} at most, {report.MeanDepth:0.0} on average"), report.MaxDepth),
            Count("leaves", "leaves", report.LeafCount),
            new("features", "features", Text($"{report.FeatureCount}, of which {report.UsedFeatureCount} are tested"), report.FeatureCount),
            new("outputs", "outputs", Text($"{report.OutputCount}, added up in {(report.IsDouble ? "double" : "single")} precision"), report.OutputCount),
            new("layout", "layout", report.Layout),
            new("memory of the layout", "layout_bytes", Text($"{report.LayoutBytes / 1024.0:0.0} KiB"), report.LayoutBytes),
            new("memory of the model", "model_bytes", Text($"{report.ManagedBytes / 1024.0:0.0} KiB with all that stays"), report.ManagedBytes),
            new("one row", "single_row_us", Text($"{report.SingleRowMicroseconds:0.00} µs"), report.SingleRowMicroseconds),
            new("row of a batch of 4096", "batch_row_us", Text($"{report.BatchRowMicroseconds:0.000} µs"), report.BatchRowMicroseconds),
            Milliseconds("reading", "read_ms", report.ReadTime),
            Milliseconds("laying out", "layout_ms", report.LayoutTime),
            new("file", "file_bytes", Text($"{report.FileBytes / 1024.0:0.0} KiB"), report.FileBytes),
        };
        facts.AddRange(report.Choices.Select((choice, i) => new ForestFact(
            $"tried: {choice.Layout}", Text($"tried_{i}_row_us"), Text($"{choice.Microseconds:0.000} µs per row"), choice.Microseconds)));
        if (report.FeatureNames.Count > 0)
        {
            facts.Add(new ForestFact("names of features", "feature_names", string.Join(", ", report.FeatureNames.Take(MostNames))
                + (report.FeatureNames.Count > MostNames ? ", …" : "")));
        }

        return facts;
    }

    private static ForestFact Count(string name, string key, int count) =>
        new(name, key, count.ToString(CultureInfo.InvariantCulture), count);

    private static ForestFact Milliseconds(string name, string key, TimeSpan time) =>
        new(name, key, Text($"{time.TotalMilliseconds:0.0} ms"), time.TotalMilliseconds);

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}
