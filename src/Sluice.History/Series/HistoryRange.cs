namespace Sluice.History.Series;

/// <summary>The intervals of an answer: they begin at multiples of their length since 1970.</summary>
/// <param name="FromMilliseconds">Points from here on count.</param>
/// <param name="ToMilliseconds">Points up to here count.</param>
/// <param name="IntervalMilliseconds">Length of an interval.</param>
public readonly record struct HistoryRange(long FromMilliseconds, long ToMilliseconds, long IntervalMilliseconds)
{
    // An interval that is all but over counts (spec clearml §6.1: 10 % tolerance).
    private const double CompleteShare = 0.9;

    /// <summary>Begin of the first interval.</summary>
    public long First => FromMilliseconds / IntervalMilliseconds * IntervalMilliseconds;

    /// <summary>How many there are; one that is not over at the end is none.</summary>
    public int Count
    {
        get
        {
            var last = ToMilliseconds - (CompleteShare * IntervalMilliseconds);
            return last < First ? 0 : (int)((last - First) / IntervalMilliseconds) + 1;
        }
    }

    /// <summary>Begin of an interval.</summary>
    public long Time(int index) => First + (index * IntervalMilliseconds);

    /// <summary>Number of the interval that a time is in; -1 = in none.</summary>
    public int IndexOf(long milliseconds)
    {
        if (milliseconds < FromMilliseconds || milliseconds > ToMilliseconds)
            return -1;
        var index = (milliseconds - First) / IntervalMilliseconds;
        return index < Count ? (int)index : -1;
    }
}
