using Sluice.Control.Records;
using Sluice.Inference;

namespace Sluice.Control.Canaries;

/// <summary>Decides which endpoints a canary's calls go to, and how many to each (spec clearml §2.5).</summary>
/// <remarks>Pure: resolved anew whenever an endpoint comes, becomes ready or goes. A canary cannot lead to another one.</remarks>
public static class CanaryPolicy
{
    /// <summary>Resolves a canary.</summary>
    /// <param name="spec">As it was written; nothing in it may make a call fail with anything but a clear answer.</param>
    /// <param name="known">Keys of all endpoints, whatever their state.</param>
    /// <param name="isReady">Says whether an endpoint can be called.</param>
    public static CanaryResolution Resolve(CanarySpec spec, IEnumerable<string> known, Func<string, bool> isReady)
    {
        var isPrefix = !string.IsNullOrEmpty(spec.LoadEndpointPrefix);
        if (!isPrefix && spec.Weights.Count != spec.LoadEndpoints.Count)
            return Fail(
                EndpointOutcome.NotFound,
                $"canary '{spec.Endpoint}' has {spec.Weights.Count} weights for {spec.LoadEndpoints.Count} endpoints, so it is not served");
        var keys = known.ToHashSet(StringComparer.Ordinal);
        var candidates = isPrefix ? ByPrefix(spec, keys, isReady) : ByName(spec, keys);
        if (candidates.Count == 0)
            return Fail(
                EndpointOutcome.NotFound,
                $"canary '{spec.Endpoint}' leads nowhere: there is no endpoint " +
                (isPrefix ? $"whose name begins with '{spec.LoadEndpointPrefix}'" : $"of its list ({string.Join(", ", spec.LoadEndpoints)})"));
        var ready = candidates.Where(arm => isReady(arm.Key)).ToList();
        if (ready.Count == 0)
            return Fail(
                EndpointOutcome.Unavailable,
                $"canary '{spec.Endpoint}': none of its endpoints is ready ({string.Join(", ", candidates.Select(arm => arm.Key))})");
        var sum = ready.Sum(arm => arm.Share);
        return sum > 0 && double.IsFinite(sum)
            ? new CanaryResolution([.. ready.Select(arm => arm with { Share = arm.Share / sum })], EndpointOutcome.Ok, "")
            : Fail(
                EndpointOutcome.Unavailable,
                $"canary '{spec.Endpoint}': the endpoints that are ready ({string.Join(", ", ready.Select(arm => arm.Key))}) have no weight");
    }

    private static List<CanaryArm> ByName(CanarySpec spec, HashSet<string> known) =>
        [.. spec.LoadEndpoints.Select((target, i) => new CanaryArm(target.Trim('/'), Weight(spec, i))).Where(arm => known.Contains(arm.Key))];

    /// <summary>The newest that are ready; while none is, the newest of all.</summary>
    private static List<CanaryArm> ByPrefix(CanarySpec spec, HashSet<string> known, Func<string, bool> isReady)
    {
        var found = known.Where(key => key.StartsWith(spec.LoadEndpointPrefix!, StringComparison.Ordinal) && key != spec.Endpoint)
            .Order(EndpointKeyOrder.NewestFirst).ToList();
        var ready = found.Where(isReady).ToList();
        return [.. (ready.Count > 0 ? ready : found).Take(spec.Weights.Count).Select((key, i) => new CanaryArm(key, Weight(spec, i)))];
    }

    private static double Weight(CanarySpec spec, int index) =>
        spec.Weights[index] is var weight && double.IsFinite(weight) ? Math.Max(0, weight) : 0;

    private static CanaryResolution Fail(EndpointOutcome outcome, string detail) => new([], outcome, detail);
}
