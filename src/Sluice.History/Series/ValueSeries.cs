namespace Sluice.History.Series;

/// <summary>Values over time.</summary>
/// <param name="Instance">The instance; empty for all together.</param>
/// <param name="Times">Begins of the intervals, milliseconds since 1970.</param>
/// <param name="Values">One for each.</param>
public sealed record ValueSeries(string Instance, IReadOnlyList<long> Times, IReadOnlyList<double> Values)
{
    /// <summary>Rounds as all answers are: two digits, halves to the even one.</summary>
    public static double Round(double value) => Math.Round(value, 2);

    internal static ValueSeries Of(string instance, HistoryRange range, Func<int, double?> value)
    {
        var (times, values) = (new List<long>(range.Count), new List<double>(range.Count));
        for (var i = 0; i < range.Count; i++)
        {
            if (value(i) is not { } known)
                continue;
            times.Add(range.Time(i));
            values.Add(Round(known));
        }

        return new ValueSeries(instance, times, values);
    }
}

/// <summary>One metric of an endpoint over time.</summary>
/// <param name="Total">All instances together.</param>
/// <param name="Instances">Each by itself.</param>
public sealed record MetricAnswer(ValueSeries Total, IReadOnlyList<ValueSeries> Instances);
