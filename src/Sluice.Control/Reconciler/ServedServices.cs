using Sluice.Control.Records;

namespace Sluice.Control.Reconciler;

/// <summary>Which services' endpoints this server serves.</summary>
internal static class ServedServices
{
    /// <summary>Lists their records, the oldest service first.</summary>
    /// <param name="snapshot">What is known.</param>
    /// <param name="servesAll">No service was named, so all are served.</param>
    public static IEnumerable<DesiredState> List(ControlSnapshot snapshot, bool servesAll)
    {
        if (servesAll)
            return snapshot.Services.Values.OrderBy(state => state.Service.CreatedAt).ThenBy(state => state.Service.Id, StringComparer.Ordinal);
        return snapshot.Served is { } served ? [served] : [];
    }
}
