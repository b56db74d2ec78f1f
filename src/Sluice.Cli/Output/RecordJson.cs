using System.Globalization;
using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Google.Protobuf.WellKnownTypes;
using Sluice.Protocol.Control.V1;

namespace Sluice.Cli.Output;

/// <summary>Prints records with the fields and in the order of the original, absent ones as null (spec clearml §2.1).</summary>
internal static class RecordJson
{
    public static void Write(this Utf8JsonWriter json, Endpoint endpoint)
    {
        json.WriteStartObject();
        json.WriteString("engine_type", endpoint.EngineType);
        json.WriteString("serving_url", endpoint.ServingUrl);
        json.WriteString("model_id", endpoint.HasModelId ? endpoint.ModelId : null);
        json.WriteString("version", endpoint.Version);
        json.WriteString("preprocess_artifact", endpoint.HasPreprocessArtifact ? endpoint.PreprocessArtifact : null);
        json.WriteTensors("input", endpoint.InputSize, endpoint.InputType, endpoint.InputName);
        json.WriteTensors("output", endpoint.OutputSize, endpoint.OutputType, endpoint.OutputName);
        json.WriteValue("auxiliary_cfg", endpoint.AuxiliaryCfg);
        json.WriteEndObject();
    }

    public static void Write(this Utf8JsonWriter json, Protocol.Control.V1.Monitor monitor)
    {
        json.WriteStartObject();
        json.WriteString("base_serving_url", monitor.BaseServingUrl);
        json.WriteString("engine_type", monitor.EngineType);
        json.WriteString("monitor_project", monitor.HasMonitorProject ? monitor.MonitorProject : null);
        json.WriteString("monitor_name", monitor.HasMonitorName ? monitor.MonitorName : null);
        json.WriteStrings("monitor_tags", monitor.MonitorTags, isNullWhenEmpty: false);
        json.WriteBoolean("only_published", monitor.OnlyPublished);
        if (monitor.HasMaxVersions)
            json.WriteNumber("max_versions", monitor.MaxVersions);
        else
            json.WriteNull("max_versions");
        json.WriteTensors("input", monitor.InputSize, monitor.InputType, monitor.InputName);
        json.WriteTensors("output", monitor.OutputSize, monitor.OutputType, monitor.OutputName);
        json.WriteString("preprocess_artifact", monitor.HasPreprocessArtifact ? monitor.PreprocessArtifact : null);
        json.WriteValue("auxiliary_cfg", monitor.AuxiliaryCfg);
        json.WriteEndObject();
    }

    public static void Write(this Utf8JsonWriter json, Canary canary)
    {
        json.WriteStartObject();
        json.WriteString("endpoint", canary.Endpoint);
        json.WriteNumbers("weights", canary.Weights);
        json.WriteStrings("load_endpoints", canary.LoadEndpoints, isNullWhenEmpty: false);
        json.WriteString("load_endpoint_prefix", canary.HasLoadEndpointPrefix ? canary.LoadEndpointPrefix : null);
        json.WriteEndObject();
    }

    public static void Write(this Utf8JsonWriter json, MetricLogging metric)
    {
        json.WriteStartObject();
        json.WriteString("endpoint", metric.Endpoint);
        json.WritePropertyName("log_frequency");
        if (metric.HasLogFrequency)
            json.WriteRawValue(Number(metric.LogFrequency));
        else
            json.WriteNullValue();
        json.WriteStartObject("metrics");
        foreach (var (name, variable) in metric.Metrics)
        {
            json.WriteStartObject(name);
            json.WriteString("type", variable.Type);
            json.WritePropertyName("buckets");
            if (variable.Buckets is null || variable.Buckets.Values.Count == 0)
                json.WriteNullValue();
            else
                WriteValue(json, Value.ForList([.. variable.Buckets.Values]), isFloat: true);
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    public static void Write(this Utf8JsonWriter json, Service service)
    {
        json.WriteStartObject();
        json.WriteString("name", service.Name);
        json.WriteStrings("tags", service.Tags, isNullWhenEmpty: false);
        json.WriteString("id", service.Id);
        json.WriteString("project", service.Project);
        json.WriteEndObject();
    }

    public static void Write(this Utf8JsonWriter json, IMessage message) => json.WriteRawValue(
        new JsonFormatter(JsonFormatter.Settings.Default.WithPreserveProtoFieldNames(true)).Format(message));

    /// <summary>Writes an object of records by key.</summary>
    public static void WriteMap<T>(this Utf8JsonWriter json, IEnumerable<T> records, Func<T, string> key, Action<Utf8JsonWriter, T> write)
    {
        json.WriteStartObject();
        foreach (var record in records)
        {
            json.WritePropertyName(key(record));
            write(json, record);
        }

        json.WriteEndObject();
    }

    public static void WriteStrings(this Utf8JsonWriter json, string name, IReadOnlyCollection<string> values, bool isNullWhenEmpty)
    {
        json.WritePropertyName(name);
        if (values.Count == 0 && isNullWhenEmpty)
        {
            json.WriteNullValue();
            return;
        }

        json.WriteStartArray();
        foreach (var value in values)
            json.WriteStringValue(value);
        json.WriteEndArray();
    }

    private static void WriteTensors(
        this Utf8JsonWriter json, string side, RepeatedField<ListValue> sizes, RepeatedField<string> types, RepeatedField<string> names)
    {
        json.WriteValue(side + "_size", sizes.Count == 0 ? null : Value.ForList([.. sizes.Select(size => Value.ForList([.. size.Values]))]));
        json.WriteStrings(side + "_type", types, isNullWhenEmpty: true);
        json.WriteStrings(side + "_name", names, isNullWhenEmpty: true);
    }

    private static void WriteNumbers(this Utf8JsonWriter json, string name, RepeatedField<double> values)
    {
        json.WriteStartArray(name);
        foreach (var value in values)
            WriteItem(json, Number(value));
        json.WriteEndArray();
    }

    private static void WriteValue(this Utf8JsonWriter json, string name, Value? value)
    {
        json.WritePropertyName(name);
        if (value is null)
            json.WriteNullValue();
        else
            WriteValue(json, value, isFloat: false);
    }

    private static void WriteValue(Utf8JsonWriter json, Value value, bool isFloat)
    {
        switch (value.KindCase)
        {
            case Value.KindOneofCase.StructValue:
                json.WriteMap(value.StructValue.Fields, pair => pair.Key, (writer, pair) => WriteValue(writer, pair.Value, isFloat));
                break;
            case Value.KindOneofCase.ListValue:
                json.WriteStartArray();
                foreach (var item in value.ListValue.Values)
                {
                    if (item.KindCase == Value.KindOneofCase.NumberValue)
                        WriteItem(json, Text(item.NumberValue, isFloat));
                    else
                        WriteValue(json, item, isFloat);
                }

                json.WriteEndArray();
                break;
            case Value.KindOneofCase.NumberValue:
                json.WriteRawValue(Text(value.NumberValue, isFloat));
                break;
            case Value.KindOneofCase.StringValue:
                json.WriteStringValue(value.StringValue);
                break;
            case Value.KindOneofCase.BoolValue:
                json.WriteBooleanValue(value.BoolValue);
                break;
            default:
                json.WriteNullValue();
                break;
        }
    }

    /// <summary>The writer puts what it is given raw beside the bracket or comma before it, where other items have a line each.</summary>
    private static void WriteItem(Utf8JsonWriter json, string number) => json.WriteRawValue(
        json.Options.Indented ? $"\n{new string(json.Options.IndentCharacter, json.Options.IndentSize * json.CurrentDepth)}{number}" : number);

    private static string Text(double value, bool isFloat) => isFloat ? Number(value) : value.ToString("R", CultureInfo.InvariantCulture);

    /// <summary>A floating point number keeps its point, as Python prints it.</summary>
    private static string Number(double value)
    {
        var text = value.ToString("R", CultureInfo.InvariantCulture).ToLowerInvariant();
        return text.AsSpan().ContainsAny('.', 'e') ? text : text + ".0";
    }
}
