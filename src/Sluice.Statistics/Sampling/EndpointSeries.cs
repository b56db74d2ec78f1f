using System.Collections.Immutable;
using Sluice.Inference;
using Sluice.Statistics.Prometheus;

namespace Sluice.Statistics.Sampling;

/// <summary>Everything that was sampled of one endpoint, as the original's exporter shows it.</summary>
/// <remarks>
/// A variable whose type or buckets are edited begins anew; the others go on.
/// <para><b>Threads.</b> The owner's lock.</para>
/// </remarks>
internal sealed class EndpointSeries(string key)
{
    // The original's bounds, seconds.
    private static readonly ImmutableArray<double> LatencyBounds = [.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5];

    private readonly CounterSeries _count = new(CompatName.Of(key, "_count"));
    private readonly ScalarSeries _latency = new(CompatName.Of(key, "_latency"), LatencyBounds);
    private SamplingPlan? _plan;
    private VariableSeries[] _variables = [];

    /// <summary>Its names in the page; endpoints whose names come out the same share them, so that only one is shown.</summary>
    public string Prefix { get; } = CompatName.Of(key, "");

    /// <summary>Has the variables of a plan from here on.</summary>
    public void Follow(SamplingPlan plan)
    {
        if (!ReferenceEquals(plan, _plan))
            Replace(plan);
    }

    /// <summary>Counts a call.</summary>
    /// <param name="plan">What was sampled.</param>
    /// <param name="seconds">What the call took.</param>
    public void Count(SamplingPlan plan, double seconds)
    {
        _count.Add(plan.Weight);
        _latency.Add(seconds);
    }

    /// <summary>The series of a variable of the plan.</summary>
    public VariableSeries Variable(int number) => _variables[number];

    public void Write(PrometheusWriter writer)
    {
        _latency.Write(writer);
        _count.Write(writer);
        var names = new HashSet<string>(StringComparer.Ordinal) { "_latency", "_count", "_url" };
        for (var i = 0; i < _variables.Length; i++)
        {
            // Two variables may have one name in the page, or a reserved one.
            if (names.Add(CompatName.Of("", _plan!.Variables[i].Name)[1..]))
                _variables[i].Write(writer);
        }
    }

    private void Replace(SamplingPlan plan)
    {
        var before = _plan?.Variables ?? [];
        var series = new VariableSeries[plan.Variables.Length];
        for (var i = 0; i < series.Length; i++)
        {
            var same = before.IndexOf(plan.Variables[i], 0, VariableComparer.Instance);
            series[i] = same >= 0 ? _variables[same] : VariableSeries.Create(key, plan.Variables[i]);
        }

        (_plan, _variables) = (plan, series);
    }

    private sealed class VariableComparer : IEqualityComparer<SampledVariable>
    {
        public static VariableComparer Instance { get; } = new();

        public bool Equals(SampledVariable? x, SampledVariable? y) =>
            x!.Name == y!.Name && x.Kind == y.Kind && x.Bounds.SequenceEqual(y.Bounds) && x.Values.SequenceEqual(y.Values);

        public int GetHashCode(SampledVariable obj) => obj.Name.GetHashCode(StringComparison.Ordinal);
    }
}
