using Sluice.Inference;

namespace Sluice.Statistics;

/// <summary>What one port has counted, at one moment.</summary>
/// <param name="Name">The port: <c>grpc</c>, <c>http</c> or <c>metrics</c>.</param>
/// <param name="OpenConnections">Connections that are open.</param>
/// <param name="TotalConnections">Connections that were ever opened.</param>
/// <param name="ActiveCalls">Calls being served.</param>
/// <param name="EndedCalls">Calls by the status with which they ended.</param>
public sealed record FrontEndFigures(
    string Name, long OpenConnections, long TotalConnections, long ActiveCalls, IReadOnlyList<(string Code, long Count)> EndedCalls)
{
    /// <summary>What the transport under the port has seen, attacks included, by a name for each kind; may be empty.</summary>
    public IReadOnlyList<(string Kind, long Count)> TransportEvents { get; init; } = [];

    /// <summary>What the port adds to requests' times; null when it takes no requests of the v2 protocol.</summary>
    public FrontEndStages? Stages { get; init; }
}
