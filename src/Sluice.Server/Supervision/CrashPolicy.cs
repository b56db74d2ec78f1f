namespace Sluice.Server.Supervision;

/// <summary>Decides what follows from a crash; a pure function of the crashes so far and the clock that is given.</summary>
public sealed class CrashPolicy
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(10);

    private readonly Dictionary<string, DateTimeOffset> _suspects = new(StringComparer.Ordinal);
    private DateTimeOffset _lastAt = DateTimeOffset.MinValue;
    private TimeSpan _delay;

    /// <summary>Models that the next server is not to load.</summary>
    public Quarantine Quarantine { get; } = new();

    /// <summary>Takes one crash.</summary>
    /// <param name="atWork">Models whose native code was running.</param>
    /// <param name="now">When it crashed.</param>
    /// <returns>How long to wait before the next start: a second at first, twice as long after each crash that follows within ten
    /// minutes, half a minute at most. And the models that were at work for the second time.</returns>
    public (TimeSpan Delay, IReadOnlyList<string> Quarantined) Crashed(IReadOnlyList<string> atWork, DateTimeOffset now)
    {
        var isAgain = now - _lastAt < Memory;
        _delay = !isAgain ? FirstDelay : _delay * 2 < LongestDelay ? _delay * 2 : LongestDelay;
        _lastAt = now;
        List<string> quarantined = [.. atWork.Where(model => _suspects.TryGetValue(model, out var before) && now - before < Memory)];
        foreach (var model in atWork)
            _suspects[model] = now;
        foreach (var model in quarantined)
            Quarantine.Add(model, now);
        return (_delay, quarantined);
    }
}
