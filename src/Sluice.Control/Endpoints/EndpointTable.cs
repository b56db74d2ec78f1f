using System.Collections.Concurrent;
using System.Collections.Immutable;
using Sluice.Control.Canaries;
using Sluice.Control.Records;

namespace Sluice.Control.Endpoints;

/// <summary>What calls look endpoints and canaries up in: one snapshot, replaced by one volatile write.</summary>
/// <remarks><b>Threads.</b> Any number of readers without a lock; writers are put in order.</remarks>
public sealed class EndpointTable
{
    private readonly Lock _writers = new();
    private readonly Dictionary<string, EndpointState> _endpoints = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string Canary, string Endpoint), CanaryArmCounter> _counters = new();
    private ImmutableArray<(string ServiceId, CanarySpec Spec)> _canaries = [];
    private volatile EndpointSnapshot _snapshot = new([], []);

    /// <summary>What there is now.</summary>
    public EndpointSnapshot Snapshot => _snapshot;

    /// <summary>What the arms of canaries have done.</summary>
    public IReadOnlyCollection<CanaryArmCounter> ArmCounters => [.. _counters.Values];

    /// <summary>Sets an endpoint's state; canaries are resolved anew in the same swap.</summary>
    public void Set(EndpointState state)
    {
        lock (_writers)
        {
            if (_endpoints.TryGetValue(state.Key, out var known) && known == state)
                return;
            _endpoints[state.Key] = state;
            Publish();
        }
    }

    /// <summary>Removes an endpoint; calls that have it go on.</summary>
    public void Remove(string key)
    {
        lock (_writers)
        {
            if (_endpoints.Remove(key))
                Publish();
        }
    }

    /// <summary>Sets all canaries with the services that have them; of equal names the first counts.</summary>
    public void SetCanaries(IEnumerable<(string ServiceId, CanarySpec Spec)> canaries)
    {
        lock (_writers)
        {
            ImmutableArray<(string ServiceId, CanarySpec Spec)> wanted =
            [
                .. canaries.Select(canary => (canary.ServiceId, Spec: canary.Spec with { Endpoint = canary.Spec.Endpoint.Trim('/') }))
                    .DistinctBy(canary => canary.Spec.Endpoint),
            ];
            if (wanted.SequenceEqual(_canaries))
                return;
            _canaries = wanted;
            var names = wanted.Select(canary => canary.Spec.Endpoint).ToHashSet(StringComparer.Ordinal);
            foreach (var gone in _counters.Keys.Where(key => !names.Contains(key.Canary)))
                _counters.TryRemove(gone, out _);
            Publish();
        }
    }

    private void Publish() => _snapshot = new EndpointSnapshot([.. _endpoints.Values], _canaries.Select(Resolve));

    private CanaryState Resolve((string ServiceId, CanarySpec Spec) canary)
    {
        var spec = canary.Spec;
        var resolution = CanaryPolicy.Resolve(
            spec, _endpoints.Values.Where(state => state.ServiceId == canary.ServiceId).Select(state => state.Key),
            key => _endpoints[key].Loaded is not null);
        return new CanaryState(
            spec, resolution,
            [.. resolution.Arms.Select(arm => _counters.GetOrAdd(
                (spec.Endpoint, arm.Key), static key => new CanaryArmCounter(key.Canary, key.Endpoint)))]);
    }
}
