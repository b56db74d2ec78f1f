using System.Globalization;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Sluice.Cli.Control;

/// <summary>Writes messages as YAML and reads them back; the contracts say what a plain word means.</summary>
internal static class YamlMessages
{
    private static readonly JsonFormatter Formatter = new(JsonFormatter.Settings.Default.WithPreserveProtoFieldNames(true));

    public static string Write(IMessage message)
    {
        using var document = JsonDocument.Parse(Formatter.Format(message));
        var stream = new YamlStream(new YamlDocument(ToYaml(document.RootElement)));
        using var text = new StringWriter(CultureInfo.InvariantCulture);
        stream.Save(text, assignAnchors: false);
        return text.ToString().Replace("\r\n", "\n", StringComparison.Ordinal).Replace("\n...\n", "\n", StringComparison.Ordinal);
    }

    /// <exception cref="CommandException">The text is no YAML of such a message.</exception>
    public static T Read<T>(string text, string file)
        where T : IMessage<T>, new()
    {
        try
        {
            var yaml = new YamlStream();
            yaml.Load(new StringReader(text));
            if (yaml.Documents.Count == 0)
                return new T();
            using var stream = new MemoryStream();
            using (var json = new Utf8JsonWriter(stream))
                WriteMessage(json, yaml.Documents[0].RootNode, new T().Descriptor);
            return JsonParser.Default.Parse<T>(Encoding.UTF8.GetString(stream.ToArray()));
        }
        catch (YamlException error)
        {
            throw new CommandException($"{file}:{error.Start.Line}:{error.Start.Column}: {error.Message}");
        }
        catch (IOException error)
        {
            throw new CommandException($"{file}: {error.Message}");
        }
    }

    private static YamlNode ToYaml(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => new YamlMappingNode(
            element.EnumerateObject().Select(member => KeyValuePair.Create<YamlNode, YamlNode>(Text(member.Name), ToYaml(member.Value)))),
        JsonValueKind.Array => new YamlSequenceNode(element.EnumerateArray().Select(ToYaml)),
        JsonValueKind.String => Text(element.GetString()!),
        JsonValueKind.Null => new YamlScalarNode("null"),
        _ => new YamlScalarNode(element.GetRawText()),
    };

    /// <summary>Quotes what would else be read as something other than text.</summary>
    private static YamlScalarNode Text(string text)
    {
        var isPlain = text.Length > 0 && char.IsAsciiLetter(text[0]) && text.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '_' or '-' or '/' or '.') &&
            text is not ("true" or "false" or "null" or "yes" or "no" or "on" or "off");
        return new YamlScalarNode(text)
        {
            Style = isPlain ? ScalarStyle.Plain : text.Contains('\n', StringComparison.Ordinal) ? ScalarStyle.Literal : ScalarStyle.DoubleQuoted,
        };
    }

    private static void WriteMessage(Utf8JsonWriter json, YamlNode node, MessageDescriptor message)
    {
        if (message == Value.Descriptor || message == ListValue.Descriptor || message == Struct.Descriptor)
        {
            WriteFree(json, node);
            return;
        }

        if (node is YamlScalarNode { Style: ScalarStyle.Plain, Value: null or "" or "~" or "null" })
        {
            json.WriteStartObject();
            json.WriteEndObject();
            return;
        }

        if (node is not YamlMappingNode mapping)
        {
            // Such as a timestamp, which is text.
            WriteFree(json, node);
            return;
        }

        json.WriteStartObject();
        foreach (var (key, value) in mapping.Children)
        {
            var name = ((YamlScalarNode)key).Value!;
            var field = message.FindFieldByName(name) ?? message.Fields.InDeclarationOrder().FirstOrDefault(candidate => candidate.JsonName == name)
                ?? throw new YamlException(
                    key.Start, key.End,
                    $"'{name}' is no field of {message.Name}; it has: {string.Join(", ", message.Fields.InDeclarationOrder().Select(f => f.Name))}");
            json.WritePropertyName(field.Name);
            WriteField(json, value, field);
        }

        json.WriteEndObject();
    }

    private static void WriteField(Utf8JsonWriter json, YamlNode node, FieldDescriptor field)
    {
        if (field.IsMap && node is YamlMappingNode map)
        {
            json.WriteStartObject();
            foreach (var (key, value) in map.Children)
            {
                json.WritePropertyName(((YamlScalarNode)key).Value!);
                WriteValue(json, value, field.MessageType.FindFieldByName("value"));
            }

            json.WriteEndObject();
        }
        else if (field.IsRepeated && !field.IsMap && node is YamlSequenceNode list)
        {
            json.WriteStartArray();
            foreach (var item in list.Children)
                WriteValue(json, item, field);
            json.WriteEndArray();
        }
        else
        {
            WriteValue(json, node, field);
        }
    }

    private static void WriteValue(Utf8JsonWriter json, YamlNode node, FieldDescriptor field)
    {
        if (field.FieldType == FieldType.Message)
            WriteMessage(json, node, field.MessageType);
        else if (field.FieldType == FieldType.String && node is YamlScalarNode { Value: { } text } scalar && !(scalar.Style == ScalarStyle.Plain && text is "null" or "~"))
            json.WriteStringValue(text);
        else
            WriteFree(json, node);
    }

    private static void WriteFree(Utf8JsonWriter json, YamlNode node)
    {
        switch (node)
        {
            case YamlMappingNode mapping:
                json.WriteStartObject();
                foreach (var (key, value) in mapping.Children)
                {
                    json.WritePropertyName(((YamlScalarNode)key).Value!);
                    WriteFree(json, value);
                }

                json.WriteEndObject();
                break;
            case YamlSequenceNode list:
                json.WriteStartArray();
                foreach (var item in list.Children)
                    WriteFree(json, item);
                json.WriteEndArray();
                break;
            case YamlScalarNode scalar:
                WriteScalar(json, scalar);
                break;
            default:
                throw new YamlException(node.Start, node.End, "aliases are not supported");
        }
    }

    private static void WriteScalar(Utf8JsonWriter json, YamlScalarNode scalar)
    {
        var text = scalar.Value ?? "";
        if (scalar.Style != ScalarStyle.Plain)
            json.WriteStringValue(text);
        else if (text is "" or "~" or "null")
            json.WriteNullValue();
        else if (text is "true" or "false")
            json.WriteBooleanValue(text == "true");
        else if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number))
            json.WriteNumberValue(number);
        else
            json.WriteStringValue(text);
    }
}
