using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Sluice.Backends.Python.Calls;

/// <summary>Metrics that models made themselves, in the text format of Prometheus.</summary>
/// <remarks><b>Threads.</b> Any. Families and series are bounded; past the bound a model gets an error.</remarks>
public sealed class ModelMetrics
{
    private const int MostFamilies = 1000;
    private const int MostSeries = 10_000;
    private const int MostBuckets = 100;

    private static readonly string[] Kinds = ["counter", "gauge", "histogram"];

    private readonly object _gate = new();
    private readonly SortedDictionary<string, Family> _families = new(StringComparer.Ordinal);
    private int _seriesCount;

    /// <summary>True while no model has made one.</summary>
    public bool IsEmpty => _families.Count == 0;

    /// <summary>Writes all metrics.</summary>
    public string Format()
    {
        var text = new StringBuilder();
        lock (_gate)
        {
            foreach (var (name, family) in _families)
            {
                text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {Escape(family.Help, isLabel: false)}\n# TYPE {name} {Kinds[family.Kind]}\n");
                foreach (var (labels, series) in family.Series)
                    Write(text, name, labels, series);
            }
        }

        return text.ToString();
    }

    /// <summary>Carries out what a model asks.</summary>
    /// <returns>The answer, JSON.</returns>
    internal byte[] Apply(string owner, JsonElement request)
    {
        var answer = new JsonObject();
        try
        {
            lock (_gate)
                Apply(request, answer);
        }
        catch (Exception error) when (error is InvalidOperationException or KeyNotFoundException or FormatException)
        {
            answer["error"] = $"model '{owner}': {error.Message}";
        }

        return Encoding.UTF8.GetBytes(answer.ToJsonString());
    }

    private void Apply(JsonElement request, JsonObject answer)
    {
        var name = request.GetProperty("name").GetString()!;
        var op = request.GetProperty("op").GetString();
        if (op == "family")
        {
            AddFamily(name, request.GetProperty("description").GetString()!, request.GetProperty("kind").GetInt32());
            return;
        }

        if (!_families.TryGetValue(name, out var family))
            throw new InvalidOperationException($"there is no metric family '{name}'");
        var labels = Labels(request.GetProperty("labels"));
        if (op == "metric")
        {
            AddSeries(family, labels, request.GetProperty("buckets"));
            return;
        }

        if (!family.Series.TryGetValue(labels, out var series))
            throw new InvalidOperationException($"metric family '{name}' has no series {{{labels}}}");
        Change(family, series, op!, request, answer);
    }

    private void AddFamily(string name, string help, int kind)
    {
        if (name.Length == 0 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or ':') || char.IsAsciiDigit(name[0]))
            throw new InvalidOperationException($"'{name}' is no name for a metric");
        if ((uint)kind >= (uint)Kinds.Length)
            throw new InvalidOperationException($"{kind} is no kind of metric");
        if (_families.TryGetValue(name, out var known) && known.Kind != kind)
            throw new InvalidOperationException($"metric family '{name}' exists with another kind");
        if (known is null && _families.Count >= MostFamilies)
            throw new InvalidOperationException($"there are {MostFamilies} metric families already");
        _families.TryAdd(name, new Family(help, kind));
    }

    private void AddSeries(Family family, string labels, JsonElement buckets)
    {
        if (family.Series.ContainsKey(labels))
            return;
        if (_seriesCount >= MostSeries)
            throw new InvalidOperationException($"there are {MostSeries} series of models' metrics already");
        double[] bounds = [];
        if (family.Kind == 2)
        {
            if (buckets.ValueKind != JsonValueKind.Array)
                throw new InvalidOperationException("a histogram needs 'buckets'");
            bounds = [.. buckets.EnumerateArray().Select(bucket => bucket.GetDouble())];
            if (bounds.Length > MostBuckets || !bounds.SequenceEqual(bounds.Order().Distinct()))
                throw new InvalidOperationException($"buckets must rise and be at most {MostBuckets}");
        }

        family.Series.Add(labels, new Series(bounds));
        _seriesCount++;
    }

    private static void Change(Family family, Series series, string op, JsonElement request, JsonObject answer)
    {
        if (op == "value")
        {
            if (family.Kind == 2)
                throw new InvalidOperationException("TRITONSERVER_METRIC_KIND_HISTOGRAM does not support Value");
            answer["value"] = series.Value;
            return;
        }

        var value = request.GetProperty("value").GetDouble();
        switch (op, family.Kind)
        {
            case ("increment", 0) when value < 0:
                throw new InvalidOperationException("TRITONSERVER_METRIC_KIND_COUNTER can only be incremented monotonically by non-negative values.");
            case ("increment", 0 or 1):
                series.Value += value;
                break;
            case ("set", 1):
                series.Value = value;
                break;
            case ("observe", 2):
                series.Value += value;
                series.Counts[Array.FindIndex(series.Bounds, bound => value <= bound) is >= 0 and var at ? at : series.Bounds.Length]++;
                break;
            default:
                throw new InvalidOperationException(
                    $"TRITONSERVER_METRIC_KIND_{Kinds[family.Kind].ToUpperInvariant()} does not support {char.ToUpperInvariant(op[0])}{op[1..]}");
        }
    }

    private static string Labels(JsonElement labels) => string.Join(',', labels.EnumerateObject()
        .OrderBy(label => label.Name, StringComparer.Ordinal)
        .Select(label => $"{LabelName(label.Name)}=\"{Escape(label.Value.GetString()!, isLabel: true)}\""));

    private static string LabelName(string name) =>
        name.Length > 0 && !char.IsAsciiDigit(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_')
            ? name
            : throw new InvalidOperationException($"'{name}' is no name for a label");

    private static string Escape(string text, bool isLabel)
    {
        var escaped = text.Replace("\\", @"\\", StringComparison.Ordinal).Replace("\n", @"\n", StringComparison.Ordinal);
        return isLabel ? escaped.Replace("\"", "\\\"", StringComparison.Ordinal) : escaped;
    }

    private static void Write(StringBuilder text, string name, string labels, Series series)
    {
        var braces = labels.Length > 0 ? $"{{{labels}}}" : "";
        if (!series.IsHistogram)
        {
            text.Append(CultureInfo.InvariantCulture, $"{name}{braces} {series.Value}\n");
            return;
        }

        long count = 0;
        for (var i = 0; i < series.Counts.Length; i++)
        {
            count += series.Counts[i];
            var bound = i < series.Bounds.Length ? series.Bounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf";
            text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{{labels}{(labels.Length > 0 ? "," : "")}le=\"{bound}\"}} {count}\n");
        }

        text.Append(CultureInfo.InvariantCulture, $"{name}_sum{braces} {series.Value}\n{name}_count{braces} {count}\n");
    }

    private sealed record Family(string Help, int Kind)
    {
        public SortedDictionary<string, Series> Series { get; } = new(StringComparer.Ordinal);
    }

    private sealed class Series(double[] bounds)
    {
        public double[] Bounds { get; } = bounds;

        public long[] Counts { get; } = new long[bounds.Length + 1];

        public bool IsHistogram => Bounds.Length > 0;

        public double Value { get; set; }
    }
}
