using System.Collections.Frozen;
using Sluice.Control.Canaries;
using Sluice.Inference;

namespace Sluice.Control.Endpoints;

/// <summary>All endpoints and canaries at one moment; immutable.</summary>
public sealed class EndpointSnapshot
{
    private readonly FrozenDictionary<string, CanaryState>.AlternateLookup<ReadOnlySpan<char>> _canariesBySpan;

    internal EndpointSnapshot(IReadOnlyCollection<EndpointState> endpoints, IEnumerable<CanaryState> canaries)
    {
        Endpoints = endpoints.ToFrozenDictionary(state => state.Key, StringComparer.Ordinal);
        Canaries = canaries.ToFrozenDictionary(state => state.Spec.Endpoint, StringComparer.Ordinal);
        Latest = FindLatest(endpoints.Where(state => state.ServesLatest));
        NewestByName = FindLatest(endpoints);
        StatisticsByModel = endpoints.Where(state => state is { Loaded.ModelName: not null, Statistics: not null })
            .DistinctBy(state => state.Loaded!.ModelName)
            .ToFrozenDictionary(state => state.Loaded!.ModelName!, state => state.Statistics!, StringComparer.Ordinal);
        _canariesBySpan = Canaries.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>Endpoints by key.</summary>
    public FrozenDictionary<string, EndpointState> Endpoints { get; }

    /// <summary>Canaries by name.</summary>
    public FrozenDictionary<string, CanaryState> Canaries { get; }

    /// <summary>By name without version: the newest that asks to answer for it.</summary>
    public FrozenDictionary<string, EndpointState> Latest { get; }

    /// <summary>By name without version: the newest one, for the v2 protocol, where no version means the newest.</summary>
    public FrozenDictionary<string, EndpointState> NewestByName { get; }

    /// <summary>What endpoints' calls have done, by the name of the model behind them.</summary>
    public FrozenDictionary<string, EndpointStatistics> StatisticsByModel { get; }

    internal bool TryGetCanary(ReadOnlySpan<char> name, out CanaryState? canary) => _canariesBySpan.TryGetValue(name, out canary);

    private static FrozenDictionary<string, EndpointState> FindLatest(IEnumerable<EndpointState> endpoints) => endpoints
        .Where(state => state.Key.Contains('/', StringComparison.Ordinal))
        .GroupBy(state => state.Key[..state.Key.LastIndexOf('/')], StringComparer.Ordinal)
        .ToFrozenDictionary(
            group => group.Key,
            group => group.OrderByDescending(state => state.Loaded is not null).ThenBy(state => state.Key, EndpointKeyOrder.NewestFirst).First(),
            StringComparer.Ordinal);
}
