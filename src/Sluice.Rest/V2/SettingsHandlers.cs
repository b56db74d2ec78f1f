using System.Text.Json;
using Google.Protobuf.Collections;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Rest.Calls;
using Sluice.Rest.Json;
using TraceValue = Sluice.Protocol.Inference.TraceSettingRequest.Types.SettingValue;

namespace Sluice.Rest.V2;

/// <summary>Serves the log settings and the trace settings, to read (GET) and to change (POST).</summary>
internal sealed class SettingsHandlers(UnaryMethods methods)
{
    /// <summary>The one trace setting that is a list; the others are one text.</summary>
    private const string ListSetting = "trace_level";

    public async ValueTask LogAsync(RestCall call)
    {
        var request = new LogSettingsRequest();
        if (call.Exchange.Method == "POST")
            await ReadLogAsync(call, request).ConfigureAwait(false);
        var response = (LogSettingsResponse)await methods.InvokeAsync("LogSettings", request, call).ConfigureAwait(false);
        using (var writer = new Utf8JsonWriter(call.Output, MessageJsonWriter.Options))
            Write(writer, response);
        await call.SendPlainJsonAsync().ConfigureAwait(false);
    }

    public async ValueTask TraceAsync(RestCall call)
    {
        var request = new TraceSettingRequest { ModelName = call.Model };
        if (call.Exchange.Method == "POST")
            await ReadTraceAsync(call, request.Settings).ConfigureAwait(false);
        var response = (TraceSettingResponse)await methods.InvokeAsync("TraceSetting", request, call).ConfigureAwait(false);
        using (var writer = new Utf8JsonWriter(call.Output, MessageJsonWriter.Options))
            Write(writer, response);
        await call.SendPlainJsonAsync().ConfigureAwait(false);
    }

    private static async ValueTask ReadLogAsync(RestCall call, LogSettingsRequest request)
    {
        using var body = await JsonBody.ReadAsync(call).ConfigureAwait(false);
        if (body is null)
            return;
        foreach (var setting in body.RootElement.EnumerateObject())
        {
            request.Settings[setting.Name] = setting.Value.ValueKind switch
            {
                JsonValueKind.True or JsonValueKind.False => new() { BoolParam = setting.Value.GetBoolean() },
                JsonValueKind.Number when setting.Value.TryGetUInt32(out var number) => new() { Uint32Param = number },
                JsonValueKind.String => new() { StringParam = setting.Value.GetString() },
                // The service names the type that it wants in its place.
                _ => new(),
            };
        }
    }

    private static async ValueTask ReadTraceAsync(RestCall call, MapField<string, TraceValue> settings)
    {
        using var body = await JsonBody.ReadAsync(call).ConfigureAwait(false);
        if (body is null)
            return;
        foreach (var setting in body.RootElement.EnumerateObject())
        {
            var value = new TraceValue();
            if (setting.Value.ValueKind == JsonValueKind.Array)
                value.Value.AddRange(setting.Value.EnumerateArray().Select(item => Text(setting.Name, item)));
            else if (setting.Value.ValueKind != JsonValueKind.Null)
                value.Value.Add(Text(setting.Name, setting.Value));
            settings[setting.Name] = value;
        }
    }

    private static string Text(string name, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Number => value.GetRawText(),
        _ => throw InferenceException.Invalid($"trace setting '{name}' must be a text, a list of texts, or null"),
    };

    private static void Write(Utf8JsonWriter writer, LogSettingsResponse response)
    {
        writer.WriteStartObject();
        foreach (var (name, value) in response.Settings)
        {
            switch (value.ParameterChoiceCase)
            {
                case LogSettingsResponse.Types.SettingValue.ParameterChoiceOneofCase.BoolParam:
                    writer.WriteBoolean(name, value.BoolParam);
                    break;
                case LogSettingsResponse.Types.SettingValue.ParameterChoiceOneofCase.Uint32Param:
                    writer.WriteNumber(name, value.Uint32Param);
                    break;
                default:
                    writer.WriteString(name, value.StringParam);
                    break;
            }
        }

        writer.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter writer, TraceSettingResponse response)
    {
        writer.WriteStartObject();
        foreach (var (name, value) in response.Settings)
        {
            if (name != ListSetting)
            {
                writer.WriteString(name, value.Value.Count > 0 ? value.Value[0] : "");
                continue;
            }

            writer.WriteStartArray(name);
            foreach (var level in value.Value)
                writer.WriteStringValue(level);
            writer.WriteEndArray();
        }

        writer.WriteEndObject();
    }
}
