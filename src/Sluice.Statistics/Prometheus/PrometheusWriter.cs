using System.Buffers;
using System.Globalization;
using System.Text;

namespace Sluice.Statistics.Prometheus;

/// <summary>Writes Prometheus text, version 0.0.4.</summary>
/// <remarks>
/// <para>Grammar: <c># HELP name text</c>, <c># TYPE name type</c>, then <c>name{label="value",…} number</c>. Labels stand in
/// ASCII order of their names, whole numbers without exponent: clients of the original match lines as text.</para>
/// </remarks>
internal ref struct PrometheusWriter(IBufferWriter<byte> output)
{
    private const int LongestNumber = 32;

    private readonly IBufferWriter<byte> _output = output;

    public readonly void BeginFamily(MetricFamily family)
    {
        Text("# HELP ");
        Text(family.Name);
        Text(" ");
        Text(family.Help);
        Text("\n# TYPE ");
        Text(family.Name);
        Text(" ");
        Text(family.Type);
        Text("\n");
    }

    /// <summary>Writes one sample.</summary>
    /// <param name="name">The family's name.</param>
    /// <param name="suffix">Follows the name, as in <c>_bucket</c>.</param>
    /// <param name="labels">The series' own labels.</param>
    /// <param name="key">One more label's name; empty = none.</param>
    /// <param name="value">Its value; needs no escaping.</param>
    public readonly void BeginSample(string name, string suffix, LabelSet labels, string key = "", ReadOnlySpan<byte> value = default)
    {
        Text(name);
        Text(suffix);
        if (labels.Count == 0 && key.Length == 0)
        {
            Text(" ");
            return;
        }

        Text("{");
        var isPlaced = key.Length == 0;
        var isFirst = true;
        for (var i = 0; i < labels.Count; i++)
        {
            if (!isPlaced && string.CompareOrdinal(key, labels.Key(i)) < 0)
            {
                Extra(key, value, ref isFirst);
                isPlaced = true;
            }

            if (!isFirst)
                Text(",");
            isFirst = false;
            _output.Write(labels.Text(i));
        }

        if (!isPlaced)
            Extra(key, value, ref isFirst);
        Text("} ");
    }

    public readonly void EndSample(long value)
    {
        value.TryFormat(_output.GetSpan(LongestNumber), out var length, default, CultureInfo.InvariantCulture);
        _output.Advance(length);
        Text("\n");
    }

    public readonly void EndSample(double value)
    {
        value.TryFormat(_output.GetSpan(LongestNumber), out var length, default, CultureInfo.InvariantCulture);
        _output.Advance(length);
        Text("\n");
    }

    private readonly void Extra(string key, ReadOnlySpan<byte> value, ref bool isFirst)
    {
        if (!isFirst)
            Text(",");
        isFirst = false;
        Text(key);
        Text("=\"");
        _output.Write(value);
        Text("\"");
    }

    private readonly void Text(string ascii) =>
        _output.Advance(Encoding.ASCII.GetBytes(ascii, _output.GetSpan(ascii.Length)));
}
