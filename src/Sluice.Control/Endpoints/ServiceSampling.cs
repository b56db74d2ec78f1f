using System.Collections.Immutable;
using Sluice.Control.Records;
using Sluice.Inference;

namespace Sluice.Control.Endpoints;

/// <summary>What is sampled at the endpoints of one service; pure.</summary>
/// <remarks>
/// <para>Of the entries that fit an endpoint one counts, as a whole: that of its key, else that of the monitor that made it, else
/// that of a canary that leads to it, else the longest prefix with a <c>*</c> at its end (spec clearml §4.3).</para>
/// </remarks>
/// <param name="ServiceId">The service.</param>
/// <param name="Metrics">Entries by endpoint or prefix.</param>
/// <param name="Monitors">Base names of auto-update endpoints.</param>
/// <param name="Frequency">Share of calls where an entry says nothing, 0 to 1.</param>
/// <param name="KafkaServer">Where records go; empty = nowhere.</param>
public sealed record ServiceSampling(
    string ServiceId, ValueMap<string, MetricSpec> Metrics, ValueList<string> Monitors, double Frequency, string KafkaServer)
{
    /// <summary>Reads it from a service's records.</summary>
    /// <param name="state">The records.</param>
    /// <param name="frequency">Where the service says nothing.</param>
    /// <param name="kafkaServer">Where the service says nothing; empty = none.</param>
    public static ServiceSampling Of(DesiredState state, double frequency, string kafkaServer) => new(
        state.Service.Id, state.Metrics, ValueList.From(state.Monitors.Keys), state.Parameters.MetricLoggingFreq ?? frequency,
        string.IsNullOrEmpty(state.Parameters.KafkaServiceServer) ? kafkaServer : state.Parameters.KafkaServiceServer);

    /// <summary>Says what is sampled at one endpoint.</summary>
    /// <param name="key">The endpoint.</param>
    /// <param name="canaries">Canaries that lead to it.</param>
    /// <param name="before">What was sampled until now; kept when nothing changes.</param>
    /// <returns>Null when nothing is.</returns>
    public SamplingPlan? Plan(string key, IEnumerable<string> canaries, SamplingPlan? before = null)
    {
        var spec = Find(key, canaries);
        var frequency = Math.Min(1, spec?.LogFrequency ?? Frequency);
        if (frequency <= 0)
            return null;
        var plan = new SamplingPlan
        {
            Endpoint = key,
            Frequency = frequency,
            Variables = spec is null ? [] : [.. spec.Metrics.Select(pair => Variable(pair.Key, pair.Value))],
            KafkaServer = KafkaServer,
        };
        return before is not null && AreSame(before, plan) ? before : plan;
    }

    private MetricSpec? Find(string key, IEnumerable<string> canaries)
    {
        if (Metrics.TryGetValue(key, out var own))
            return own;
        var slash = key.LastIndexOf('/');
        if (slash > 0 && Monitors.Contains(key[..slash]) && Metrics.TryGetValue(key[..slash], out own))
            return own;
        foreach (var canary in canaries.Order(StringComparer.Ordinal))
        {
            if (Metrics.TryGetValue(canary, out own))
                return own;
        }

        return Metrics.Values.Where(spec => spec.Endpoint.EndsWith('*') && key.StartsWith(spec.Endpoint[..^1], StringComparison.Ordinal))
            .MaxBy(spec => spec.Endpoint.Length);
    }

    private static SampledVariable Variable(string name, MetricVariable variable) => new(name, variable.Type switch
    {
        "scalar" => VariableKind.Scalar,
        "enum" => VariableKind.Enum,
        "counter" => VariableKind.Counter,
        _ => VariableKind.Value,
    })
    {
        Bounds = [.. variable.Bounds],
        Values = [.. variable.Values],
    };

    private static bool AreSame(SamplingPlan one, SamplingPlan other) =>
        one.Frequency.Equals(other.Frequency) && one.KafkaServer == other.KafkaServer &&
        one.Variables.Length == other.Variables.Length && one.Variables.Zip(other.Variables).All(pair => AreSame(pair.First, pair.Second));

    private static bool AreSame(SampledVariable one, SampledVariable other) =>
        one.Name == other.Name && one.Kind == other.Kind && one.Bounds.SequenceEqual(other.Bounds) && one.Values.SequenceEqual(other.Values);
}
