using Sluice.History.Points;

namespace Sluice.History.Series;

/// <summary>All that is known of one instance in a stretch of time.</summary>
/// <param name="Id">The instance.</param>
/// <param name="Points">By ascending time.</param>
public sealed record InstancePoints(string Id, IReadOnlyList<HistoryPoint> Points)
{
    /// <summary>Joins the points of each interval.</summary>
    /// <returns>One per interval; null = there is none.</returns>
    public HistoryPoint?[] Join(HistoryRange range)
    {
        var joined = new HistoryPoint?[range.Count];
        var group = new List<HistoryPoint>();
        var current = -1;
        foreach (var point in Points)
        {
            var index = range.IndexOf(point.At);
            if (index < 0)
                continue;
            if (index != current)
                Close();
            current = index;
            group.Add(point);
        }

        Close();
        return joined;

        void Close()
        {
            if (group.Count > 0)
                joined[current] = group.Count == 1 ? group[0] : HistoryPoint.Join(range.Time(current), group);
            group.Clear();
        }
    }
}
