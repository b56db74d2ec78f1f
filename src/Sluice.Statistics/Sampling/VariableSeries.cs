using System.Collections.Immutable;
using System.Text;
using Sluice.Inference;
using Sluice.Statistics.Prometheus;

namespace Sluice.Statistics.Sampling;

/// <summary>What has become of one variable of one endpoint, under the name and in the form of the original's exporter.</summary>
/// <remarks><b>Threads.</b> The owner's lock.</remarks>
/// <param name="name">The metric's name.</param>
internal abstract class VariableSeries(string name)
{
    protected string Name => name;

    /// <summary>Makes a variable's series.</summary>
    /// <param name="endpoint">Key of the endpoint.</param>
    /// <param name="variable">The variable.</param>
    public static VariableSeries Create(string endpoint, SampledVariable variable)
    {
        var name = CompatName.Of(endpoint, variable.Name);
        return variable.Kind switch
        {
            VariableKind.Scalar => new ScalarSeries(name, variable.Bounds),
            VariableKind.Enum => new EnumSeries(name, variable.Values),
            VariableKind.Counter => new CounterSeries(name),
            _ => new ValueSeries(name),
        };
    }

    /// <summary>Takes a number.</summary>
    /// <returns>False when it means nothing here.</returns>
    public abstract bool Add(double value);

    /// <summary>Takes a text.</summary>
    /// <returns>False when it means nothing here.</returns>
    public virtual bool Add(ReadOnlySpan<byte> utf8) => false;

    public abstract void Write(PrometheusWriter writer);

    protected void BeginFamily(PrometheusWriter writer, string type, string suffix = "") =>
        writer.BeginFamily(new MetricFamily(name + suffix, type, "Variable of an endpoint, sampled"));
}

/// <summary>Counts by the first bound that is not below, each by itself; <c>_sum</c> repeats the number of all.</summary>
/// <remarks>It is no histogram for Prometheus, so its type is not said to be one.</remarks>
internal sealed class ScalarSeries : VariableSeries
{
    private readonly double[] _bounds;
    private readonly byte[][] _labels;
    private readonly long[] _counts;
    private long _total;

    public ScalarSeries(string name, ImmutableArray<double> bounds)
        : base(name)
    {
        _bounds = [.. bounds, double.PositiveInfinity];
        _labels = [.. _bounds.Select(CompatName.Bound)];
        _counts = new long[_bounds.Length];
    }

    public override bool Add(double value)
    {
        if (double.IsNaN(value))
            return false;
        var place = 0;
        while (_bounds[place] < value)
            place++;
        _counts[place]++;
        _total++;
        return true;
    }

    public override void Write(PrometheusWriter writer)
    {
        BeginFamily(writer, "untyped", "_bucket");
        for (var i = 0; i < _counts.Length; i++)
        {
            writer.BeginSample(Name, "_bucket", LabelSet.Empty, "le", _labels[i]);
            writer.EndSample(_counts[i]);
        }

        BeginFamily(writer, "untyped", "_sum");
        foreach (var label in _labels)
        {
            writer.BeginSample(Name, "_sum", LabelSet.Empty, "le", label);
            writer.EndSample(_total);
        }
    }
}

/// <summary>Counts by value.</summary>
internal sealed class EnumSeries : VariableSeries
{
    private readonly (byte[] Utf8, byte[] Label)[] _values;
    private readonly long[] _counts;
    private long _total;

    public EnumSeries(string name, ImmutableArray<string> values)
        : base(name)
    {
        _values = [.. values.Select(value => (Encoding.UTF8.GetBytes(value), Encoding.UTF8.GetBytes(LabelSet.Escape(value))))];
        _counts = new long[values.Length];
    }

    public override bool Add(double value) =>
        Add(Encoding.ASCII.GetBytes(value.ToString(System.Globalization.CultureInfo.InvariantCulture)));

    public override bool Add(ReadOnlySpan<byte> utf8)
    {
        for (var i = 0; i < _values.Length; i++)
        {
            if (!utf8.SequenceEqual(_values[i].Utf8))
                continue;
            _counts[i]++;
            _total++;
            return true;
        }

        return false;
    }

    public override void Write(PrometheusWriter writer)
    {
        BeginFamily(writer, "untyped", "_bucket");
        for (var i = 0; i < _counts.Length; i++)
        {
            writer.BeginSample(Name, "_bucket", LabelSet.Empty, "enum", _values[i].Label);
            writer.EndSample(_counts[i]);
        }

        BeginFamily(writer, "untyped", "_sum");
        foreach (var (_, label) in _values)
        {
            writer.BeginSample(Name, "_sum", LabelSet.Empty, "enum", label);
            writer.EndSample(_total);
        }
    }
}

/// <summary>Keeps the last value.</summary>
internal sealed class ValueSeries(string name) : VariableSeries(name)
{
    private double _value;

    public override bool Add(double value)
    {
        _value = value;
        return true;
    }

    public override void Write(PrometheusWriter writer)
    {
        BeginFamily(writer, "gauge");
        writer.BeginSample(Name, "", LabelSet.Empty);
        writer.EndSample(_value);
    }
}

/// <summary>Adds values up.</summary>
internal sealed class CounterSeries(string name) : VariableSeries(name)
{
    private readonly double _createdAt = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0;
    private double _sum;

    public override bool Add(double value)
    {
        if (!(value >= 0) || double.IsInfinity(value))
            return false;
        _sum += value;
        return true;
    }

    public override void Write(PrometheusWriter writer)
    {
        BeginFamily(writer, "counter", "_total");
        writer.BeginSample(Name, "_total", LabelSet.Empty);
        writer.EndSample(_sum);
        BeginFamily(writer, "gauge", "_created");
        writer.BeginSample(Name, "_created", LabelSet.Empty);
        writer.EndSample(_createdAt);
    }
}
