using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace Sluice.History.Reports;

/// <summary>Reads the bodies of <c>register_container</c> and <c>container_status_report</c>; unknown fields are passed over.</summary>
internal static class ReportReader
{
    private static readonly string[] ReferenceTypes = ["app_id", "app_instance", "model", "task", "url"];

    /// <summary>Reads and checks a report.</summary>
    /// <param name="body">A JSON object.</param>
    /// <param name="isStatus">It is a status report, so it has an address and figures.</param>
    /// <exception cref="ServingException">A field is missing, too long or of the wrong kind.</exception>
    public static ContainerReport Read(JsonElement body, bool isStatus)
    {
        var report = new ContainerReport
        {
            ContainerId = RequiredText(body, "container_id"),
            EndpointName = RequiredText(body, "endpoint_name"),
            ModelName = RequiredText(body, "model_name"),
            EndpointUrl = OptionalText(body, "endpoint_url", ReportLimits.UrlCharacters) is { Length: > 0 } url ? url : null,
            ModelSource = OptionalText(body, "model_source"),
            ModelVersion = OptionalText(body, "model_version"),
            PreprocessArtifact = OptionalText(body, "preprocess_artifact"),
            InputType = OptionalText(body, "input_type"),
            InputSizeJson = InputSize(body),
            Tags = Texts(body, "tags"),
            SystemTags = Texts(body, "system_tags"),
            References = References(body),
        };
        if (Encoding.UTF8.GetByteCount(report.ContainerId) + Encoding.UTF8.GetByteCount(report.EndpointUrl ?? "") is > ReportLimits.KeyBytes and var bytes)
            throw ServingException.Validation($"fields 'container_id' and 'endpoint_url' have {bytes} bytes together; at most {ReportLimits.KeyBytes} are taken");
        if (!isStatus)
            return report with { Timeout = Timeout(body) };
        if (report.EndpointUrl is null)
            throw ServingException.Validation("Missing required field 'endpoint_url'");
        var machine = Machine(body);
        return report with
        {
            UptimeSeconds = Whole(body, "uptime_sec"),
            Requests = Whole(body, "requests_num"),
            RequestsPerMinute = Number(body, "requests_min"),
            LatencyMilliseconds = Number(body, "latency_ms"),
            Machine = machine?.ToGauges() ?? Points.HistoryPoint.NoGauges(),
            CpuCount = machine?.CpuUsage?.Count ?? 0,
            GpuCount = machine?.GpuUsage?.Count ?? 0,
        };
    }

    /// <summary>Reads a text that must be there.</summary>
    public static string RequiredText(JsonElement body, string name, int most = ReportLimits.TextCharacters) =>
        OptionalText(body, name, most) is { Length: > 0 } text ? text : throw ServingException.Validation($"Missing required field '{name}'");

    /// <summary>Reads a number that must not be negative; null when it is not there.</summary>
    public static double? Number(JsonElement body, string name)
    {
        if (Find(body, name) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number is >= 0 and <= 1e15
            ? number
            : throw ServingException.Validation($"field '{name}' must be a number from 0 to 1e15, not {Shown(value)}");
    }

    /// <summary>Finds a field; null when it is not there or null.</summary>
    public static JsonElement? Find(JsonElement body, string name) =>
        body.TryGetProperty(name, out var value) && value.ValueKind is not JsonValueKind.Null ? value : null;

    /// <summary>Shows a value in a message, cut where it is long.</summary>
    public static string Shown(JsonElement value) => value.GetRawText() is { Length: > 60 } text ? text[..60] + "…" : value.GetRawText();

    private static string? OptionalText(JsonElement body, string name, int most = ReportLimits.TextCharacters)
    {
        if (Find(body, name) is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.String)
            throw ServingException.Validation($"field '{name}' must be a string, not {Shown(value)}");
        return Checked(value, name, most);
    }

    private static string Checked(JsonElement value, string name, int most)
    {
        string text;
        try
        {
            text = value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();
        }
        catch (InvalidOperationException)
        {
            throw ServingException.Validation($"field '{name}' holds half of a character");
        }

        if (text.Length > most)
            throw ServingException.Validation($"field '{name}' has {text.Length} characters; at most {most} are taken");
        return !text.Any(char.IsControl) ? text : throw ServingException.Validation($"field '{name}' holds a control character");
    }

    private static long? Whole(JsonElement body, string name) => Number(body, name) is { } number ? (long)number : null;

    private static TimeSpan? Timeout(JsonElement body) => Number(body, "timeout") switch
    {
        null => null,
        { } seconds when seconds >= 1 && seconds <= ReportLimits.Timeout.TotalSeconds => TimeSpan.FromSeconds(seconds),
        { } seconds => throw ServingException.Validation($"field 'timeout' must be from 1 to {ReportLimits.Timeout.TotalSeconds} seconds, not {seconds}"),
    };

    private static string? InputSize(JsonElement body) => Find(body, "input_size") switch
    {
        null => null,
        { ValueKind: JsonValueKind.Number } number => Checked(number, "input_size", 30),
        { ValueKind: JsonValueKind.String } text => JsonSerializer.Serialize(Checked(text, "input_size", ReportLimits.TextCharacters)),
        { } other => throw ServingException.Validation($"field 'input_size' must be a string or a number, not {Shown(other)}"),
    };

    private static ImmutableArray<string> Texts(JsonElement body, string name) =>
        [.. List(body, name, ReportLimits.Tags).Select(item => item.ValueKind == JsonValueKind.String
            ? Checked(item, name, ReportLimits.TextCharacters)
            : throw ServingException.Validation($"field '{name}' must be a list of strings, not {Shown(item)}"))];

    private static ImmutableArray<ContainerReference>? References(JsonElement body)
    {
        if (Find(body, "reference") is null)
            return null;
        return [.. List(body, "reference", ReportLimits.References).Select(Read)];

        static ContainerReference Read(JsonElement item)
        {
            if (item.ValueKind != JsonValueKind.Object)
                throw ServingException.Validation($"field 'reference' must be a list of objects, not {Shown(item)}");
            var type = RequiredText(item, "type");
            return Array.IndexOf(ReferenceTypes, type) >= 0
                ? new ContainerReference(type, RequiredText(item, "value", ReportLimits.UrlCharacters))
                : throw ServingException.Validation($"field 'type' must be one of {string.Join(", ", ReferenceTypes)}, not '{type}'");
        }
    }

    private static MachineStatistics? Machine(JsonElement body)
    {
        if (Find(body, "machine_stats") is not { } stats)
            return null;
        if (stats.ValueKind != JsonValueKind.Object)
            throw ServingException.Validation($"field 'machine_stats' must be an object, not {Shown(stats)}");
        return new MachineStatistics
        {
            CpuUsage = Numbers(stats, "cpu_usage"),
            GpuUsage = Numbers(stats, "gpu_usage"),
            GpuMemoryFree = Numbers(stats, "gpu_memory_free"),
            GpuMemoryUsed = Numbers(stats, "gpu_memory_used"),
            MemoryUsed = Number(stats, "memory_used"),
            MemoryFree = Number(stats, "memory_free"),
            NetworkRx = Number(stats, "network_rx"),
            NetworkTx = Number(stats, "network_tx"),
        };
    }

    /// <summary>A single number is taken for a list of one.</summary>
    private static List<double>? Numbers(JsonElement stats, string name)
    {
        if (Find(stats, name) is not { } value)
            return null;
        if (value.ValueKind == JsonValueKind.Number)
            return [Number(stats, name)!.Value];
        return [.. List(stats, name, ReportLimits.MachineValues).Select(item =>
            item.ValueKind == JsonValueKind.Number && item.TryGetDouble(out var number) && number is >= 0 and <= 1e15
                ? number
                : throw ServingException.Validation($"field '{name}' must be a list of numbers from 0 to 1e15, not {Shown(item)}"))];
    }

    private static List<JsonElement> List(JsonElement body, string name, int most)
    {
        if (Find(body, name) is not { } value)
            return [];
        if (value.ValueKind != JsonValueKind.Array)
            throw ServingException.Validation($"field '{name}' must be a list, not {Shown(value)}");
        return value.GetArrayLength() <= most
            ? [.. value.EnumerateArray()]
            : throw ServingException.Validation($"field '{name}' has {value.GetArrayLength()} items; at most {most} are taken");
    }
}
