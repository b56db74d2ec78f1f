using System.Runtime.InteropServices;
using System.Text.Json;
using Sluice.Backends.Forest.Formats;
using Sluice.Backends.Forest.Trees;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Backends.Forest.Tests;

/// <summary>A model of the golden set with its rows and the results of the library that made it.</summary>
public sealed class GoldenForest
{
    private readonly string _folder;
    private readonly JsonElement _about;

    public GoldenForest(string engine, string name)
    {
        _folder = Path.Combine(GoldenSet.FolderOf(engine), name);
        _about = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(_folder, "about.json"))).RootElement;
    }

    public static TheoryData<string, string> All
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var engine in (string[])["xgboost", "lightgbm"])
            {
                foreach (var folder in Directory.EnumerateDirectories(GoldenSet.FolderOf(engine)).Order(StringComparer.Ordinal))
                    data.Add(engine, Path.GetFileName(folder));
            }

            return data;
        }
    }

    public string ModelPath => Path.Combine(_folder, _about.GetProperty("model_file").GetString()!);

    /// <summary>The value that stands for a missing one; NaN = none but NaN.</summary>
    public double Missing => _about.TryGetProperty("missing", out var missing) && missing.ValueKind == JsonValueKind.Number
        ? missing.GetDouble() : double.NaN;

    /// <summary>Results that are numbers.</summary>
    public IEnumerable<Expected> Outputs => _about.GetProperty("outputs").EnumerateArray()
        .Where(output => !output.TryGetProperty("dtype", out var type) || !type.GetString()!.StartsWith("<U", StringComparison.Ordinal)).Select(output => new Expected(
        output.GetProperty("file").GetString()!,
        NpyFile.Read(Path.Combine(_folder, output.GetProperty("file").GetString()!)),
        output.TryGetProperty("iteration_range", out var range) ? (range[0].GetInt32(), range[1].GetInt32())
            : output.TryGetProperty("start_iteration", out var start) ? (start.GetInt32(), start.GetInt32() + output.GetProperty("num_iteration").GetInt32())
            : null));

    internal TreeEnsemble Read() => ForestFile.Read(ModelPath);

    public NpyFile Inputs() => NpyFile.Read(Path.Combine(_folder, _about.GetProperty("inputs")[0].GetProperty("file").GetString()!));

    /// <summary>Rows as wide as the model, NaN where a column does not come.</summary>
    public double[][] Rows(int width)
    {
        var inputs = Inputs();
        var columns = (int)inputs.Shape[1];
        var values = inputs.DataType == DataType.Fp64
            ? MemoryMarshal.Cast<byte, double>(inputs.Data).ToArray()
            : Array.ConvertAll(MemoryMarshal.Cast<byte, float>(inputs.Data).ToArray(), value => (double)value);
        return [.. Enumerable.Range(0, (int)inputs.Shape[0]).Select(row => Enumerable.Range(0, width)
            .Select(column => column < columns ? values[(row * columns) + column] : double.NaN)
            .Select(value => value == Missing ? double.NaN : value).ToArray())];
    }

    /// <summary>Compares values with a file; null when they agree.</summary>
    public string? FindDifference(Expected expected, ReadOnlySpan<byte> actual, DataType type)
    {
        // Where ranges of rounds have no rule of their own, that of all rounds holds.
        var rules = _about.GetProperty("tolerance");
        var whole = System.Text.RegularExpressions.Regex.Replace(expected.File, "_range_[0-9_]+", "");
        var rule = rules.EnumerateObject().Where(entry => entry.Name == "mode" || Matches(entry.Name, expected.File) || entry.Name == whole)
            .OrderBy(entry => entry.Name == whole).ToList();
        if (rule.Count == 0)
            return $"there is no tolerance for {expected.File}";
        var tolerance = GoldenTolerance.Read(rule[0].Name == "mode" ? rules : rule[0].Value);
        var tensor = new GoldenTensor(expected.File, expected.Values.DataType, expected.Values.Shape, expected.Values.Data, expected.File);
        return tolerance.FindDifference(tensor, type, Shape.Create(expected.Values.Shape), actual);
    }

    private static bool Matches(string pattern, string file) =>
        System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(pattern, file, ignoreCase: false);

    /// <summary>One file of results.</summary>
    /// <param name="File">Its name, which says what it holds.</param>
    /// <param name="Values">What the library gave.</param>
    /// <param name="Rounds">First round and the one behind the last; null = all.</param>
    public sealed record Expected(string File, NpyFile Values, (int From, int To)? Rounds);
}
