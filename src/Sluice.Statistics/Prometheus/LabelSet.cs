using System.Text;
using Sluice.Inference;

namespace Sluice.Statistics.Prometheus;

/// <summary>Labels of one series, rendered once: <c>key="value"</c> each, in ASCII order of the keys.</summary>
internal sealed class LabelSet
{
    /// <summary>No labels.</summary>
    public static readonly LabelSet Empty = new([]);

    private readonly (string Key, byte[] Text)[] _labels;

    private LabelSet(IEnumerable<(string Key, string Value)> labels) =>
        _labels = [.. labels.OrderBy(label => label.Key, StringComparer.Ordinal)
            .Select(label => (label.Key, Encoding.UTF8.GetBytes($"{label.Key}=\"{Escape(label.Value)}\"")))];

    public int Count => _labels.Length;

    public string Key(int index) => _labels[index].Key;

    public ReadOnlySpan<byte> Text(int index) => _labels[index].Text;

    /// <summary>Labels of a model version: its name, its version, and its configured tags with a leading underscore.</summary>
    public static LabelSet Of(ModelSettings settings) => new(
    [
        ("model", settings.Name),
        ("version", settings.Version),
        .. settings.MetricTags.Select(tag => ("_" + Name(tag.Key), tag.Value)),
    ]);

    /// <summary>Labels by name.</summary>
    public static LabelSet Of(params IEnumerable<(string Key, string Value)> labels) => new(labels);

    /// <summary>One label.</summary>
    public static LabelSet Of(string key, string value) => new([(key, value)]);

    /// <summary>A label's name takes letters, digits and underscores only; other characters become underscores.</summary>
    private static string Name(string key) => string.Concat(key.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_'));

    /// <summary>Makes a label's value fit for the text format.</summary>
    internal static string Escape(string value) => value
        .Replace("\\", "\\\\", StringComparison.Ordinal)
        .Replace("\"", "\\\"", StringComparison.Ordinal)
        .Replace("\n", "\\n", StringComparison.Ordinal);
}
