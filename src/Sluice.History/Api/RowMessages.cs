using Sluice.Control.Records;
using Sluice.History.Reports;
using Sluice.History.Series;
using Sluice.Protocol.Metrics.V1;

namespace Sluice.History.Api;

/// <summary>Turns containers into the messages of the contract.</summary>
internal static class RowMessages
{
    /// <summary>How far each state is on the way to serving; the farthest instance speaks for the row.</summary>
    private static readonly EndpointPhase[] ByProgress =
        [EndpointPhase.Failed, EndpointPhase.Queued, EndpointPhase.Downloading, EndpointPhase.Loading, EndpointPhase.Draining, EndpointPhase.Ready];

    /// <summary>Makes a row of all instances of one address.</summary>
    /// <param name="url">The address.</param>
    /// <param name="entries">At least one.</param>
    public static ServedEndpoint ToRow(string url, IReadOnlyList<ContainerEntry> entries)
    {
        var main = entries.MaxBy(entry => Array.IndexOf(ByProgress, PhaseOf(entry)))!;
        var (report, figures) = (main.Report, main.Figures);
        var row = new ServedEndpoint
        {
            Id = RowIds.Of(url),
            Name = report.EndpointName,
            Url = url,
            Kind = (EndpointKind)(figures?.Kind ?? RowKind.Reported),
            ServiceId = figures?.ServiceId ?? "",
            Engine = figures?.Engine ?? "",
            ModelName = report.ModelName,
            ModelId = figures?.ModelId ?? report.References?.FirstOrDefault(reference => reference.Type == "model")?.Value ?? "",
            ModelVersion = report.ModelVersion ?? "",
            ModelSource = report.ModelSource ?? "",
            PreprocessArtifact = report.PreprocessArtifact ?? "",
            InputType = report.InputType ?? "",
            InputSize = Text(report.InputSizeJson),
            Tags = { report.Tags },
            State = StateOf(main),
            Reason = entries.Select(entry => entry.Figures?.Reason).FirstOrDefault(reason => !string.IsNullOrEmpty(reason)) ?? "",
            InstanceCount = entries.Count(entry => entry.Report.EndpointUrl is not null),
            UptimeMs = entries.Max(entry => entry.Report.UptimeSeconds ?? 0) * 1000,
            RequestCount = entries.Sum(entry => entry.Report.Requests ?? 0),
            FailureCount = entries.Sum(entry => entry.Figures?.Failures ?? 0),
            UpdatedAtMs = entries.Max(entry => entry.UpdatedAt).ToUnixTimeMilliseconds(),
        };
        AddRecent(row, entries);
        row.Arms.Add(Arms(entries));
        return row;
    }

    /// <summary>Makes an instance.</summary>
    /// <param name="entry">The container.</param>
    /// <param name="now">The time.</param>
    public static ServedInstance ToInstance(ContainerEntry entry, DateTimeOffset now)
    {
        var report = entry.Report;
        return new ServedInstance
        {
            Id = report.ContainerId,
            Endpoint = report.EndpointName,
            Url = entry.Url ?? "",
            ModelName = report.ModelName,
            ModelSource = report.ModelSource ?? "",
            ModelVersion = report.ModelVersion ?? "",
            PreprocessArtifact = report.PreprocessArtifact ?? "",
            InputType = report.InputType ?? "",
            InputSize = Text(report.InputSizeJson),
            State = StateOf(entry),
            Reason = entry.Figures?.Reason ?? "",
            Progress = entry.Figures?.Progress ?? 0,
            UptimeMs = (report.UptimeSeconds ?? 0) * 1000,
            AgeMs = (long)(now - entry.RegisteredAt).TotalMilliseconds,
            UpdatedAtMs = entry.UpdatedAt.ToUnixTimeMilliseconds(),
            RequestCount = report.Requests ?? 0,
            FailureCount = entry.Figures?.Failures ?? 0,
            RequestsPerMinute = report.RequestsPerMinute ?? 0,
            LatencyMs = entry.Figures?.Recent.MeanMilliseconds ?? report.LatencyMilliseconds ?? 0,
            CpuCount = report.CpuCount,
            GpuCount = report.GpuCount,
            References = { (report.References ?? []).Select(reference => new Reference { Type = reference.Type, Value = reference.Value }) },
        };
    }

    /// <summary>Tells whether a container serves.</summary>
    public static bool Serves(ContainerEntry entry) => entry.Report.EndpointUrl is not null;

    private static EndpointPhase PhaseOf(ContainerEntry entry) =>
        entry.Figures?.Phase ?? (entry.Report.EndpointUrl is null ? EndpointPhase.Loading : EndpointPhase.Ready);

    private static Protocol.Control.V1.EndpointState StateOf(ContainerEntry entry) => (Protocol.Control.V1.EndpointState)(int)PhaseOf(entry);

    private static string Text(string? json)
    {
        if (json is null)
            return "";
        return json[0] == '"' ? System.Text.Json.JsonSerializer.Deserialize<string>(json)! : json;
    }

    /// <summary>Replicas of this program count; of other programs' containers the means are weighted by their requests per minute.</summary>
    private static void AddRecent(ServedEndpoint row, IReadOnlyList<ContainerEntry> entries)
    {
        var counted = entries.Select(entry => entry.Figures?.Recent).OfType<RecentCounts>().ToList();
        if (counted.Count == 0)
        {
            row.RequestsPerMinute = Math.Round(entries.Sum(entry => entry.Report.RequestsPerMinute ?? 0), 2);
            row.LatencyMs = Weighted(entries);
            return;
        }

        var sum = counted.Aggregate(Sum);
        row.RequestsPerMinute = Math.Round(counted.Sum(recent => recent.PerMinute), 2);
        row.LatencyMs = sum.MeanMilliseconds;
        row.P50Ms = CountedSeries.QuantileMilliseconds(sum.Latency, 0.5);
        row.P90Ms = CountedSeries.QuantileMilliseconds(sum.Latency, 0.9);
        row.P99Ms = CountedSeries.QuantileMilliseconds(sum.Latency, 0.99);
        row.ErrorRate = Math.Round(CountedSeries.Share(sum.Failed, sum.Ok), 4);
    }

    private static double Weighted(IReadOnlyList<ContainerEntry> entries)
    {
        var reports = entries.Select(entry => entry.Report).Where(report => report.LatencyMilliseconds is not null).ToList();
        var weight = reports.Sum(report => report.RequestsPerMinute ?? 0);
        if (weight > 0)
            return Math.Round(reports.Sum(report => report.LatencyMilliseconds!.Value * (report.RequestsPerMinute ?? 0)) / weight, 4);
        return reports.Count == 0 ? 0 : Math.Round(reports.Average(report => report.LatencyMilliseconds!.Value), 4);
    }

    private static RecentCounts Sum(RecentCounts first, RecentCounts second) => new(
        Math.Max(first.Seconds, second.Seconds), first.Ok + second.Ok, first.Failed + second.Failed, first.Nanoseconds + second.Nanoseconds,
        Points.BucketCounts.Add(first.Latency, second.Latency));

    private static IEnumerable<CanaryArm> Arms(IReadOnlyList<ContainerEntry> entries)
    {
        var arms = entries.SelectMany(entry => entry.Figures?.Arms ?? []).GroupBy(arm => arm.Endpoint, StringComparer.Ordinal)
            .Select(group => (Endpoint: group.Key, All: group.ToList(), Recent: group.Select(arm => arm.Recent).Aggregate(Sum))).ToList();
        double calls = arms.Sum(arm => arm.Recent.Ok + arm.Recent.Failed);
        return arms.OrderByDescending(arm => arm.All[0].Share).ThenBy(arm => arm.Endpoint, StringComparer.Ordinal).Select(arm => new CanaryArm
        {
            Endpoint = arm.Endpoint,
            Share = arm.All[0].Share,
            ActualShare = calls > 0 ? Math.Round((arm.Recent.Ok + arm.Recent.Failed) / calls, 4) : 0,
            RequestCount = arm.All.Sum(figures => figures.Ok),
            FailureCount = arm.All.Sum(figures => figures.Failed),
            RequestsPerMinute = Math.Round(arm.All.Sum(figures => figures.Recent.PerMinute), 2),
            LatencyMs = arm.Recent.MeanMilliseconds,
            P50Ms = CountedSeries.QuantileMilliseconds(arm.Recent.Latency, 0.5),
            P90Ms = CountedSeries.QuantileMilliseconds(arm.Recent.Latency, 0.9),
            P99Ms = CountedSeries.QuantileMilliseconds(arm.Recent.Latency, 0.99),
            ErrorRate = Math.Round(CountedSeries.Share(arm.Recent.Failed, arm.Recent.Ok), 4),
        });
    }
}
