using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Sluice.History.Reports;
using Sluice.History.Series;

namespace Sluice.History.Api;

/// <summary>The seven <c>serving.*</c> calls that stock containers and pages make (spec clearml §6.1): JSON in, an envelope out.</summary>
/// <remarks><b>Threads.</b> Any number of callers.</remarks>
public sealed class ServingApi(HistoryService history)
{
    private const int Ok = 200;
    private const int BadRequest = 400;
    private const int MostDepth = 16;
    private const double LastSecond = 253_402_300_799;

    /// <summary>Names of the calls that change something.</summary>
    public static IReadOnlyList<string> Writes { get; } = ["register_container", "unregister_container", "container_status_report"];

    /// <summary>Names of the calls that only read.</summary>
    public static IReadOnlyList<string> Reads { get; } =
        ["get_endpoints", "get_loading_instances", "get_endpoint_details", "get_endpoint_metrics_history"];

    /// <summary>Makes one call.</summary>
    /// <param name="action">One of <see cref="Writes"/> or <see cref="Reads"/>.</param>
    /// <param name="body">A JSON object; empty = no fields.</param>
    /// <param name="output">Gets the envelope.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The HTTP status.</returns>
    public async Task<int> CallAsync(string action, ReadOnlyMemory<byte> body, IBufferWriter<byte> output, CancellationToken cancellationToken)
    {
        var data = new ArrayBufferWriter<byte>();
        try
        {
            using var document = Parse(body);
            using (var json = new Utf8JsonWriter(data, CallEnvelope.Writing))
                await RunAsync(action, document.RootElement, json, cancellationToken).ConfigureAwait(false);
            CallEnvelope.Write(output, "serving." + action, Ok, 0, "OK", data.WrittenSpan);
            return Ok;
        }
        catch (ServingException error)
        {
            CallEnvelope.Write(output, "serving." + action, BadRequest, error.Subcode, error.Message, "{}"u8);
            return BadRequest;
        }
    }

    private static JsonDocument Parse(ReadOnlyMemory<byte> body)
    {
        try
        {
            var document = JsonDocument.Parse(body.IsEmpty ? "{}"u8.ToArray() : body, new JsonDocumentOptions { MaxDepth = MostDepth });
            if (document.RootElement.ValueKind == JsonValueKind.Object)
                return document;
            document.Dispose();
        }
        catch (JsonException error)
        {
            throw ServingException.Validation($"the body is no JSON: {error.Message}");
        }

        throw ServingException.Validation("the body must be a JSON object");
    }

    private Task RunAsync(string action, JsonElement body, Utf8JsonWriter json, CancellationToken cancellationToken)
    {
        switch (action)
        {
            case "register_container":
                history.Registry.Register(ReportReader.Read(body, isStatus: false));
                break;
            case "container_status_report":
                history.Report(ReportReader.Read(body, isStatus: true));
                break;
            case "unregister_container":
                history.Registry.Remove(ContainerEntry.KeyOf(ReportReader.RequiredText(body, "container_id")));
                break;
            case "get_endpoints":
                history.Look();
                WriteEndpoints(json);
                return Task.CompletedTask;
            case "get_loading_instances":
                history.Look();
                WriteLoading(json);
                return Task.CompletedTask;
            case "get_endpoint_details":
                history.Look();
                WriteDetails(json, ReportReader.RequiredText(body, "endpoint_url", ReportLimits.UrlCharacters));
                return Task.CompletedTask;
            case "get_endpoint_metrics_history":
                return WriteHistoryAsync(json, body, cancellationToken);
            default:
                throw new ServingException(0, $"there is no call serving.{action}");
        }

        json.WriteStartObject();
        json.WriteEndObject();
        return Task.CompletedTask;
    }

    private void WriteEndpoints(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteStartArray("endpoints");
        foreach (var (url, entries) in history.Registry.ByUrl().OrderBy(group => group.Key, StringComparer.Ordinal))
        {
            var summary = new EndpointSummary();
            foreach (var entry in entries)
            {
                if (entry.Report.EndpointUrl is not null)
                    summary.Add(entry);
            }

            if (summary.First is not { } first)
                continue;
            json.WriteStartObject();
            json.WriteString("endpoint", first.EndpointName);
            json.WriteString("model", first.ModelName);
            json.WriteString("url", url);
            json.WriteNumber("instances", summary.Count);
            WriteNumber(json, "uptime_sec", summary.Uptime);
            json.WriteNumber("requests", summary.Requests);
            WriteNumber(json, "requests_min", Rounded(summary.RequestsPerMinute, 2));
            WriteNumber(json, "latency_ms", Rounded(summary.Latency, 0));
            json.WriteString("last_update", Time(summary.UpdatedAt));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void WriteLoading(Utf8JsonWriter json)
    {
        var now = history.Time.GetUtcNow();
        json.WriteStartObject();
        json.WriteStartArray("instances");
        foreach (var entry in history.Registry.ByUrl().Values.SelectMany(entries => entries).Where(entry => entry.Report.EndpointUrl is null)
            .OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            json.WriteStartObject();
            json.WriteString("id", entry.Report.ContainerId);
            WriteModel(json, entry.Report);
            WriteNumber(json, "uptime_sec", entry.Report.UptimeSeconds);
            json.WriteNumber("age_sec", (long)(now - entry.RegisteredAt).TotalSeconds);
            json.WriteString("last_update", Time(entry.UpdatedAt));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void WriteDetails(Utf8JsonWriter json, string url)
    {
        var entries = history.Registry.OfUrl(url).Where(entry => entry.Report.EndpointUrl is not null).ToList();
        if (entries.Count == 0)
            throw ServingException.NoContainers(url);
        json.WriteStartObject();
        WriteModel(json, entries[0].Report);
        WriteNumber(json, "uptime_sec", entries.Max(entry => entry.Report.UptimeSeconds));
        json.WriteString("last_update", Time(entries.Max(entry => entry.UpdatedAt)));
        json.WriteStartArray("instances");
        foreach (var entry in entries)
        {
            var report = entry.Report;
            json.WriteStartObject();
            json.WriteString("id", report.ContainerId);
            WriteNumber(json, "uptime_sec", report.UptimeSeconds);
            WriteNumber(json, "requests", report.Requests);
            WriteNumber(json, "requests_min", report.RequestsPerMinute);
            WriteNumber(json, "latency_ms", Rounded(report.LatencyMilliseconds, 0));
            json.WriteString("last_update", Time(entry.UpdatedAt));
            json.WriteStartArray("reference");
            foreach (var reference in report.References ?? [])
            {
                json.WriteStartObject();
                json.WriteString("type", reference.Type);
                json.WriteString("value", reference.Value);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteNumber("cpu_count", report.CpuCount);
            json.WriteNumber("gpu_count", report.GpuCount);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private async Task WriteHistoryAsync(Utf8JsonWriter json, JsonElement body, CancellationToken cancellationToken)
    {
        var url = ReportReader.RequiredText(body, "endpoint_url", ReportLimits.UrlCharacters);
        var (from, to) = (Date(body, "from_date"), Date(body, "to_date"));
        if (from >= to)
            throw ServingException.FieldsValue("from_date must be earlier than to_date");
        var interval = Required(body, "interval");
        if (interval is < 1 or > 1e9)
            throw ServingException.Validation($"field 'interval' must be from 1 to 1e9 seconds, not {interval}");
        var name = ReportReader.Find(body, "metric_type") is { } type ? type.ValueKind == JsonValueKind.String ? type.GetString()! : type.GetRawText() : "requests";
        var metric = SeriesMetric.Find(name) ?? throw ServingException.Validation(
            $"field 'metric_type' must be one of {string.Join(", ", SeriesMetric.All.Select(known => known.Name))}, not '{name}'");
        var hasInstances = ReportReader.Find(body, "instance_charts") is not { ValueKind: JsonValueKind.False };
        var (range, points) = await history.ReadAsync(url, "", from, to, TimeSpan.FromSeconds(interval), cancellationToken).ConfigureAwait(false);
        var answer = points.Count == 0 ? new MetricAnswer(new ValueSeries("", [], []), []) : ReportedSeries.Compute(metric, range, points);
        json.WriteStartObject();
        json.WriteNumber("computed_interval", range.IntervalMilliseconds / 1000);
        json.WriteStartObject("total");
        WriteSeries(json, metric.Title, answer.Total);
        json.WriteEndObject();
        json.WriteStartObject("instances");
        foreach (var series in hasInstances ? answer.Instances : [])
        {
            json.WriteStartObject(series.Instance);
            WriteSeries(json, series.Instance, series);
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static double Required(JsonElement body, string name) =>
        ReportReader.Number(body, name) ?? throw ServingException.Validation($"Missing required field '{name}'");

    private static DateTimeOffset Date(JsonElement body, string name) => Required(body, name) is var seconds and <= LastSecond
        ? DateTimeOffset.FromUnixTimeMilliseconds((long)(seconds * 1000))
        : throw ServingException.Validation($"field '{name}' must be seconds since 1970");

    private static void WriteSeries(Utf8JsonWriter json, string title, ValueSeries series)
    {
        json.WriteString("title", title);
        json.WriteStartArray("dates");
        foreach (var time in series.Times)
            json.WriteNumberValue(time);
        json.WriteEndArray();
        json.WriteStartArray("values");
        foreach (var value in series.Values)
            json.WriteNumberValue(value);
        json.WriteEndArray();
    }

    private static void WriteModel(Utf8JsonWriter json, ContainerReport report)
    {
        json.WriteString("endpoint", report.EndpointName);
        json.WriteString("url", report.EndpointUrl);
        json.WriteString("model", report.ModelName);
        json.WriteString("model_source", report.ModelSource);
        json.WriteString("model_version", report.ModelVersion);
        json.WriteString("preprocess_artifact", report.PreprocessArtifact);
        json.WriteString("input_type", report.InputType);
        json.WritePropertyName("input_size");
        json.WriteRawValue(report.InputSizeJson ?? "null");
    }

    private static void WriteNumber(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number)
            json.WriteNumber(name, number);
        else
            json.WriteNull(name);
    }

    private static double? Rounded(double? value, int digits) => value is { } number ? Math.Round(number, digits) : null;

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.ffffff", CultureInfo.InvariantCulture);
}
