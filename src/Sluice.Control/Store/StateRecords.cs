using System.Globalization;
using System.Text.Json;
using Sluice.Control.Records;

namespace Sluice.Control.Store;

/// <summary>One stored record.</summary>
/// <param name="Kind">One of <see cref="RecordKinds"/>.</param>
/// <param name="Key">Unique among those of its kind.</param>
/// <param name="Json">The record; null = it is not there.</param>
internal readonly record struct StoredRecord(string Kind, string Key, string? Json);

/// <summary>One record that an edit changes.</summary>
/// <param name="Kind">One of <see cref="RecordKinds"/>.</param>
/// <param name="Key">The record's key.</param>
/// <param name="Before">JSON before; null = it was not there.</param>
/// <param name="After">JSON after; null = it is removed.</param>
public readonly record struct RecordDifference(string Kind, string Key, string? Before, string? After);

/// <summary>Takes a service's state apart into records and puts it together again.</summary>
public static class StateRecords
{
    /// <summary>Lists what differs between two states, by kind and key.</summary>
    public static IReadOnlyList<RecordDifference> Differences(DesiredState before, DesiredState after)
    {
        var differences = new List<RecordDifference>();
        Compare(differences, RecordKinds.Endpoint, before.Endpoints, after.Endpoints);
        Compare(differences, RecordKinds.Monitor, before.Monitors, after.Monitors);
        Compare(differences, RecordKinds.Canary, before.Canaries, after.Canaries);
        Compare(differences, RecordKinds.Metric, before.Metrics, after.Metrics);
        Compare(differences, RecordKinds.Artifact, before.Artifacts, after.Artifacts);
        Compare(differences, RecordKinds.Assignment, ByKey(before.AssignedVersions), ByKey(after.AssignedVersions));
        if (before.Parameters != after.Parameters)
            differences.Add(new(
                RecordKinds.Parameters, "", RecordJson.Write(before.Parameters), RecordJson.Write(after.Parameters)));
        foreach (var gone in before.Unreadable.Keys.Except(after.Unreadable.Keys))
        {
            var colon = gone.IndexOf(':', StringComparison.Ordinal);
            var (kind, key) = (gone[..colon], gone[(colon + 1)..]);

            // One that was written anew stands among the others already.
            if (!differences.Exists(difference => difference.Kind == kind && difference.Key == key))
                differences.Add(new(kind, key, null, null));
        }

        return differences;
    }

    internal static DesiredState Assemble(ServiceRecord service, long revision, IEnumerable<StoredRecord> records)
    {
        var builder = new Builder();
        foreach (var record in records)
        {
            try
            {
                builder.Add(record);
            }
            catch (Exception error) when (error is JsonException or InvalidOperationException or NotSupportedException
                or FormatException or ArgumentException)
            {
                builder.Unreadable[$"{record.Kind}:{record.Key}"] = error.Message;
            }
        }

        return builder.Build(service, revision);
    }

    private static Dictionary<string, VersionAssignment> ByKey(ValueList<VersionAssignment> versions) => versions.ToDictionary(
        version => string.Create(CultureInfo.InvariantCulture, $"{version.BaseServingUrl}/{version.Version}"),
        StringComparer.Ordinal);

    private static void Compare<T>(
        List<RecordDifference> differences, string kind, IReadOnlyDictionary<string, T> before, IReadOnlyDictionary<string, T> after)
        where T : class
    {
        foreach (var (key, record) in before)
        {
            if (!after.TryGetValue(key, out var now))
                differences.Add(new(kind, key, RecordJson.Write(record), null));
            else if (!ReferenceEquals(record, now) && !record.Equals(now))
                differences.Add(new(kind, key, RecordJson.Write(record), RecordJson.Write(now)));
        }

        differences.AddRange(after.Where(pair => !before.ContainsKey(pair.Key))
            .Select(pair => new RecordDifference(kind, pair.Key, null, RecordJson.Write(pair.Value))));
    }

    private sealed class Builder
    {
        private readonly Dictionary<string, EndpointSpec> _endpoints = new(StringComparer.Ordinal);
        private readonly Dictionary<string, MonitorSpec> _monitors = new(StringComparer.Ordinal);
        private readonly Dictionary<string, CanarySpec> _canaries = new(StringComparer.Ordinal);
        private readonly Dictionary<string, MetricSpec> _metrics = new(StringComparer.Ordinal);
        private readonly Dictionary<string, ArtifactRecord> _artifacts = new(StringComparer.Ordinal);
        private readonly List<VersionAssignment> _assignments = [];
        private ServiceParametersSpec _parameters = new();

        public Dictionary<string, string> Unreadable { get; } = new(StringComparer.Ordinal);

        public void Add(StoredRecord record)
        {
            switch (record.Kind)
            {
                case RecordKinds.Endpoint:
                    _endpoints[record.Key] = RecordJson.Read<EndpointSpec>(record.Json!);
                    break;
                case RecordKinds.Monitor:
                    _monitors[record.Key] = RecordJson.Read<MonitorSpec>(record.Json!);
                    break;
                case RecordKinds.Canary:
                    _canaries[record.Key] = RecordJson.Read<CanarySpec>(record.Json!);
                    break;
                case RecordKinds.Metric:
                    _metrics[record.Key] = RecordJson.Read<MetricSpec>(record.Json!);
                    break;
                case RecordKinds.Artifact:
                    _artifacts[record.Key] = RecordJson.Read<ArtifactRecord>(record.Json!);
                    break;
                case RecordKinds.Assignment:
                    _assignments.Add(RecordJson.Read<VersionAssignment>(record.Json!));
                    break;
                case RecordKinds.Parameters:
                    _parameters = RecordJson.Read<ServiceParametersSpec>(record.Json!);
                    break;
                default:
                    // Written by a newer program: it stays as it is, and nobody here looks at it.
                    break;
            }
        }

        public DesiredState Build(ServiceRecord service, long revision) => new()
        {
            Service = service,
            Revision = revision,
            Endpoints = new(_endpoints),
            Monitors = new(_monitors),
            Canaries = new(_canaries),
            Metrics = new(_metrics),
            Artifacts = new(_artifacts),
            Parameters = _parameters,
            AssignedVersions = ValueList.From(
                _assignments.OrderBy(version => version.BaseServingUrl, StringComparer.Ordinal).ThenBy(version => version.Version)),
            Unreadable = new(Unreadable),
        };
    }
}
