namespace Sluice.Statistics.Prometheus;

/// <summary>Name, type and help text of one metric.</summary>
/// <param name="Name">Of the family; histograms add their suffixes.</param>
/// <param name="Type"><c>counter</c>, <c>gauge</c> or <c>histogram</c>.</param>
/// <param name="Help">One line, ASCII.</param>
public sealed record MetricFamily(string Name, string Type, string Help);
