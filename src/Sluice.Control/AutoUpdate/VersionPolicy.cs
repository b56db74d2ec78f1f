using System.Collections.Immutable;
using Sluice.Control.Records;
using Sluice.Control.Store;

namespace Sluice.Control.AutoUpdate;

/// <summary>Decides which numbers the models of a monitor have (spec clearml §2.6).</summary>
/// <remarks>Pure. A model that once had a number keeps it for ever; a new one gets the next that was never given. What was given and is
/// not served any more stays in the list, so that it is not given again.</remarks>
public static class VersionPolicy
{
    /// <summary>Brings the list of a monitor's numbers up to date.</summary>
    /// <param name="monitor">The rule.</param>
    /// <param name="given">All numbers given so far, of any monitor.</param>
    /// <param name="newestFirst">Models that fit the rule, newest created first.</param>
    /// <param name="now">For what is new.</param>
    /// <returns>The same list when nothing changes.</returns>
    public static ValueList<VersionAssignment> Assign(
        MonitorSpec monitor, ValueList<VersionAssignment> given, IReadOnlyList<string> newestFirst, DateTimeOffset now)
    {
        var served = newestFirst.Take(Math.Max(1, monitor.MaxVersions ?? 1)).Reverse().ToImmutableArray();
        var own = given.Where(version => version.BaseServingUrl == monitor.BaseServingUrl).ToList();
        var changed = own.ConvertAll(version => version with { IsLive = served.Contains(version.ModelId) });
        var last = own.Count == 0 ? 0 : own.Max(version => version.Version);
        foreach (var model in served.Where(model => own.TrueForAll(version => version.ModelId != model)))
            changed.Add(new VersionAssignment(monitor.BaseServingUrl, ++last, model, IsLive: true, now));
        return changed.SequenceEqual(own)
            ? given
            : ValueList.From(given.Where(version => version.BaseServingUrl != monitor.BaseServingUrl).Concat(changed));
    }

    /// <summary>Keeps the numbers of monitors that are gone, unserved: one that comes again under the name begins with what it finds
    /// then. A monitor that this server cannot read, such as a later release's, is there.</summary>
    /// <returns>The same state when nothing changes.</returns>
    public static DesiredState Keep(DesiredState state)
    {
        bool IsThere(string monitor) =>
            state.Monitors.ContainsKey(monitor) || state.Unreadable.ContainsKey($"{RecordKinds.Monitor}:{monitor}");
        return state.AssignedVersions.All(version => !version.IsLive || IsThere(version.BaseServingUrl))
            ? state
            : state with
            {
                AssignedVersions = ValueList.From(
                    state.AssignedVersions.Select(version => version with { IsLive = version.IsLive && IsThere(version.BaseServingUrl) })),
            };
    }
}
