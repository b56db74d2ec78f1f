using System.Collections.Concurrent;
using System.Collections.Immutable;
using Sluice.Control.Canaries;
using Sluice.Control.Records;
using Sluice.Inference;

namespace Sluice.Control.Endpoints;

/// <summary>What calls look endpoints and canaries up in: one snapshot, replaced by one volatile write.</summary>
/// <remarks><b>Threads.</b> Any number of readers without a lock; writers are put in order.</remarks>
public sealed class EndpointTable
{
    private readonly Lock _writers = new();
    private readonly Dictionary<string, EndpointState> _endpoints = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string Canary, string Endpoint), CanaryArmCounter> _counters = new();
    private readonly Dictionary<string, EndpointStatistics> _statistics = new(StringComparer.Ordinal);
    private ImmutableArray<(string ServiceId, CanarySpec Spec)> _canaries = [];
    private ImmutableArray<ServiceSampling> _samplings = [];
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
            if (!_statistics.TryGetValue(state.Key, out var statistics))
                _statistics[state.Key] = statistics = new EndpointStatistics(state.Key);
            state = state with { Statistics = statistics };
            if (_endpoints.TryGetValue(state.Key, out var known) && known == state)
                return;
            _endpoints[state.Key] = state;
            Publish(state);
        }
    }

    /// <summary>Removes an endpoint; calls that have it go on.</summary>
    public void Remove(string key)
    {
        lock (_writers)
        {
            _statistics.Remove(key);

            // Versions come and go for ever; what they counted as arms goes with them.
            foreach (var arm in _counters.Keys.Where(arm => arm.Endpoint == key))
                _counters.TryRemove(arm, out _);
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

    /// <summary>Sets what is sampled at the endpoints of services.</summary>
    public void SetSampling(IEnumerable<ServiceSampling> samplings)
    {
        lock (_writers)
        {
            ImmutableArray<ServiceSampling> wanted = [.. samplings];
            if (wanted.SequenceEqual(_samplings))
                return;
            _samplings = wanted;
            Sample(_snapshot, _endpoints.Values);
        }
    }

    private void Publish(EndpointState? changed = null)
    {
        var snapshot = new EndpointSnapshot([.. _endpoints.Values], _canaries.Select(Resolve));

        // What a canary leads to, and so what is sampled there, changes with any endpoint.
        Sample(snapshot, changed is null || !_canaries.IsEmpty ? _endpoints.Values : [changed]);
        _snapshot = snapshot;
    }

    /// <summary>Gives endpoints their plans; one that stays as it is stays the same object.</summary>
    private void Sample(EndpointSnapshot snapshot, IReadOnlyCollection<EndpointState> endpoints)
    {
        var canaries = snapshot.Canaries.Values
            .SelectMany(canary => canary.Resolution.Arms.Select(arm => (arm.Key, Canary: canary.Spec.Endpoint)))
            .ToLookup(pair => pair.Key, pair => pair.Canary, StringComparer.Ordinal);
        foreach (var state in endpoints)
        {
            var statistics = state.Statistics!;
            statistics.Plan = _samplings.FirstOrDefault(sampling => sampling.ServiceId == state.ServiceId)?
                .Plan(state.Key, canaries[state.Key], statistics.Plan);
        }
    }

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
