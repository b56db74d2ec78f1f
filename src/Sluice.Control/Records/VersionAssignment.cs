namespace Sluice.Control.Records;

/// <summary>A model that a monitor has given a number. Of one name numbers only grow, and none is given twice.</summary>
/// <param name="BaseServingUrl">The monitor's name.</param>
/// <param name="Version">The number, from 1.</param>
/// <param name="ModelId">The model.</param>
/// <param name="IsLive">It is served now. What is not is kept, so that its number is not given again.</param>
/// <param name="AssignedAt">When.</param>
public sealed record VersionAssignment(string BaseServingUrl, long Version, string ModelId, bool IsLive, DateTimeOffset AssignedAt);
