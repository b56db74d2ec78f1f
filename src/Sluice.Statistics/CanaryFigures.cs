using Sluice.Inference;

namespace Sluice.Statistics;

/// <summary>What one arm of a canary has done, at one moment.</summary>
/// <param name="Canary">The canary.</param>
/// <param name="Endpoint">Key of the endpoint.</param>
/// <param name="OkCount">Calls that got an answer.</param>
/// <param name="FailureCount">Calls that got none.</param>
/// <param name="Latency">Times of calls that got an answer.</param>
public sealed record CanaryFigures(string Canary, string Endpoint, long OkCount, long FailureCount, LatencyHistogram Latency);
