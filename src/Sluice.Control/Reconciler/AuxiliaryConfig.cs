using System.Globalization;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Protocol.Inference;

namespace Sluice.Control.Reconciler;

/// <summary>Turns an endpoint's auxiliary configuration into a model configuration: nested keys, or a whole <c>config.pbtxt</c>.</summary>
/// <remarks>Nested keys are written by people in a shell: quotes may be left around texts, one element may stand for a list, a list may
/// be written by numbered keys. The messages' descriptors say what is meant.</remarks>
public static class AuxiliaryConfig
{
    /// <summary>Settings of the processes that run an endpoint's code; models have none of them.</summary>
    private const string SettingsOfCode = "python";

    private static readonly JsonParser Parser = new(new JsonParser.Settings(TextFormat.MaxDepth));

    /// <summary>Reads a configuration.</summary>
    /// <param name="json">As stored: a JSON object, or a JSON string with the text of a configuration file; null = empty.</param>
    /// <param name="endpoint">For messages.</param>
    /// <exception cref="InferenceException">It does not parse; the message says where.</exception>
    public static ModelConfig ToModelConfig(string? json, string endpoint)
    {
        if (string.IsNullOrEmpty(json))
            return new ModelConfig();
        try
        {
            using var document = JsonDocument.Parse(json);
            return document.RootElement.ValueKind switch
            {
                JsonValueKind.String => TextFormat.Parse<ModelConfig>(
                    Encoding.UTF8.GetBytes(document.RootElement.GetString()!), $"aux-config of endpoint '{endpoint}'"),
                JsonValueKind.Object => FromObject(document.RootElement),
                _ => new ModelConfig(),
            };
        }
        catch (TextFormatException error)
        {
            throw new InferenceException(InferenceCode.InvalidArgument, error.Message, error);
        }
        catch (Exception error) when (error is IOException or FormatException or JsonException)
        {
            throw new InferenceException(
                InferenceCode.InvalidArgument, $"aux-config of endpoint '{endpoint}' is no model configuration: {error.Message}", error);
        }
    }

    /// <summary>Lists the values with nested keys joined by dots.</summary>
    public static IReadOnlyDictionary<string, string> Flatten(string? json)
    {
        var flat = new Dictionary<string, string>(StringComparer.Ordinal);
        if (string.IsNullOrEmpty(json))
            return flat;
        using var document = JsonDocument.Parse(json);
        if (document.RootElement.ValueKind == JsonValueKind.Object)
            Flatten(document.RootElement, "", flat);
        return flat;
    }

    private static void Flatten(JsonElement element, string path, Dictionary<string, string> flat)
    {
        foreach (var member in element.EnumerateObject())
        {
            var key = path.Length == 0 ? member.Name : $"{path}.{member.Name}";
            if (member.Value.ValueKind == JsonValueKind.Object)
                Flatten(member.Value, key, flat);
            else
                flat[key] = Unquote(Text(member.Value));
        }
    }

    private static ModelConfig FromObject(JsonElement root)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
            WriteMessage(writer, root, ModelConfig.Descriptor);
        return Parser.Parse<ModelConfig>(Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length));
    }

    private static void WriteMessage(Utf8JsonWriter writer, JsonElement element, MessageDescriptor message)
    {
        writer.WriteStartObject();
        if (element.ValueKind == JsonValueKind.Object)
        {
            foreach (var member in element.EnumerateObject())
            {
                if (message == ModelConfig.Descriptor && (member.Name == SettingsOfCode || member.Name.StartsWith(SettingsOfCode + ".", StringComparison.Ordinal)))
                    continue;
                var field = message.FindFieldByName(member.Name) ?? message.Fields.InDeclarationOrder().FirstOrDefault(f => f.JsonName == member.Name)
                    ?? throw new FormatException(
                        $"{message.Name} has no field '{member.Name}'; it has: " +
                        string.Join(", ", message.Fields.InDeclarationOrder().Select(f => f.Name)));
                writer.WritePropertyName(field.Name);
                WriteField(writer, member.Value, field);
            }
        }
        else if (message.Name == "ModelParameter")
        {
            writer.WriteString("string_value", Unquote(Text(element)));
        }

        writer.WriteEndObject();
    }

    private static void WriteField(Utf8JsonWriter writer, JsonElement value, FieldDescriptor field)
    {
        if (field.IsMap && value.ValueKind == JsonValueKind.Object)
        {
            writer.WriteStartObject();
            foreach (var member in value.EnumerateObject())
            {
                writer.WritePropertyName(Unquote(member.Name));
                WriteValue(writer, member.Value, field.MessageType.FindFieldByName("value"));
            }

            writer.WriteEndObject();
        }
        else if (field.IsRepeated)
        {
            writer.WriteStartArray();
            foreach (var item in Items(value))
                WriteValue(writer, item, field);
            writer.WriteEndArray();
        }
        else
        {
            WriteValue(writer, value, field);
        }
    }

    private static IEnumerable<JsonElement> Items(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Array)
            return value.EnumerateArray();
        if (value.ValueKind == JsonValueKind.Object && value.EnumerateObject().Any() &&
            value.EnumerateObject().All(member => int.TryParse(member.Name, NumberStyles.None, CultureInfo.InvariantCulture, out _)))
            return value.EnumerateObject().OrderBy(member => int.Parse(member.Name, CultureInfo.InvariantCulture)).Select(member => member.Value);
        return [value];
    }

    private static void WriteValue(Utf8JsonWriter writer, JsonElement value, FieldDescriptor field)
    {
        switch (field.FieldType)
        {
            case FieldType.Message:
                WriteMessage(writer, value, field.MessageType);
                break;
            case FieldType.String or FieldType.Enum:
                writer.WriteStringValue(Unquote(Text(value)));
                break;
            case FieldType.Bool:
                writer.WriteBooleanValue(Unquote(Text(value)).ToLowerInvariant() switch
                {
                    "true" or "1" or "yes" or "on" => true,
                    "false" or "0" or "no" or "off" => false,
                    var other => throw new FormatException($"{field.Name} must be true or false, not '{other}'"),
                });
                break;
            default:
                writer.WriteStringValue(Unquote(Text(value)));
                break;
        }
    }

    private static string Text(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();

    private static string Unquote(string text) =>
        text.Length >= 2 && text[0] is '"' or '\'' && text[^1] == text[0] ? text[1..^1] : text;
}
