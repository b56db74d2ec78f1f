namespace Sluice.History.Series;

/// <summary>One resolution in which points are kept.</summary>
/// <param name="Number">0 is the finest; stored.</param>
/// <param name="Step">Length of a point's stretch; zero = points are kept as they were reported.</param>
/// <param name="Retention">How long points are kept.</param>
public sealed record HistoryTier(int Number, TimeSpan Step, TimeSpan Retention);

/// <summary>Which resolutions there are, and which one answers a question.</summary>
/// <remarks>
/// As reported (each 30 s) for a day, 5 minutes for 8 days, an hour for the whole retention. The page asks for an interval of two pixels of
/// a chart, 500 to 2,000 pixels wide: 11 to 86 s at 3 to 12 hours (the floor is 40 s), 86 to 346 s at a day, 10 to 40 minutes at a week, 43 to
/// 173 minutes at a month. So spans up to a day are answered from the finest, a week from the second and a month from the third.
/// </remarks>
/// <param name="retention">How far back the coarsest goes.</param>
public sealed class HistoryTiers(TimeSpan retention)
{
    /// <summary>Shortest interval of an answer (spec clearml §6.1).</summary>
    public static readonly TimeSpan ShortestInterval = TimeSpan.FromSeconds(40);

    /// <summary>Most intervals of an answer; longer ones are given past it.</summary>
    public const int MostIntervals = 2000;

    // What is asked for at its very beginning is still there while the answer is made.
    private static readonly TimeSpan Slack = TimeSpan.FromMinutes(10);

    /// <summary>All of them, the finest first.</summary>
    public IReadOnlyList<HistoryTier> All { get; } =
    [
        new(0, TimeSpan.Zero, Shorter(TimeSpan.FromDays(1) + Slack, retention)),
        new(1, TimeSpan.FromMinutes(5), Shorter(TimeSpan.FromDays(8), retention)),
        new(2, TimeSpan.FromHours(1), retention),
    ];

    /// <summary>Chooses a resolution, and the interval that is answered.</summary>
    /// <remarks>The coarsest that has two points per interval, or else the finest that still has the begin. An interval of a coarse resolution
    /// is a multiple of its step, so that each has as many points.</remarks>
    /// <param name="from">The begin.</param>
    /// <param name="to">The end.</param>
    /// <param name="now">The time.</param>
    /// <param name="wanted">The interval that is asked for.</param>
    public (HistoryTier Tier, TimeSpan Interval) Choose(DateTimeOffset from, DateTimeOffset to, DateTimeOffset now, TimeSpan wanted)
    {
        var fewest = TimeSpan.FromSeconds(Math.Ceiling((to - from).TotalSeconds / MostIntervals));
        var interval = new[] { wanted, fewest, ShortestInterval }.Max();
        var tier = All.LastOrDefault(tier => tier.Step > TimeSpan.Zero && 2 * tier.Step <= interval && now - from <= tier.Retention)
            ?? All.FirstOrDefault(tier => now - from <= tier.Retention)
            ?? All[^1];
        return tier.Step == TimeSpan.Zero ? (tier, interval) : (tier, tier.Step * Math.Ceiling(interval / tier.Step));
    }

    private static TimeSpan Shorter(TimeSpan first, TimeSpan second) => first < second ? first : second;
}
