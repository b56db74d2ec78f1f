using System.Buffers;
using System.Text.Json;
using Google.Protobuf.Reflection;
using Sluice.Rest.Json;

namespace Sluice.Rest.Transcoding;

/// <summary>Describes the HTTP forms of methods as an OpenAPI 3.0 document, from the same contracts that serve them.</summary>
internal static class OpenApiDocument
{
    private const string WellKnown = "google.protobuf.";

    /// <summary>Writes the document.</summary>
    public static byte[] Write(IReadOnlyList<HttpBinding> bindings, string title, string version)
    {
        var output = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(output, MessageJsonWriter.Options))
        {
            json.WriteStartObject();
            json.WriteString("openapi", "3.0.3");
            json.WriteStartObject("info");
            json.WriteString("title", title);
            json.WriteString("version", version);
            json.WriteEndObject();
            WritePaths(json, bindings);
            json.WriteStartObject("components");
            json.WriteStartObject("schemas");
            foreach (var type in Types(bindings))
                WriteSchema(json, type);
            WriteErrorSchema(json);
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return output.WrittenSpan.ToArray();
    }

    private static void WritePaths(Utf8JsonWriter json, IReadOnlyList<HttpBinding> bindings)
    {
        json.WriteStartObject("paths");
        foreach (var path in bindings.GroupBy(binding => binding.Pattern.Replace("=**", "", StringComparison.Ordinal)))
        {
            json.WriteStartObject(path.Key);
            foreach (var binding in path)
                WriteOperation(json, binding);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void WriteOperation(Utf8JsonWriter json, HttpBinding binding)
    {
        var request = binding.Method.InputType;
        var variables = binding.Variables.ToHashSet(StringComparer.Ordinal);
        json.WriteStartObject(binding.HttpMethod.ToLowerInvariant());
        json.WriteString("operationId", $"{binding.Method.Service.Name}_{binding.Method.Name}_{binding.HttpMethod}{variables.Count}");
        json.WriteStartArray("tags");
        json.WriteStringValue(binding.Method.Service.Name);
        json.WriteEndArray();
        json.WriteStartArray("parameters");
        foreach (var field in request.Fields.InDeclarationOrder())
        {
            var isVariable = variables.Contains(field.Name);
            if (isVariable || (binding.Body != "*" && field.Name != binding.Body && !field.IsMap && field.FieldType != FieldType.Message))
                WriteParameter(json, field, isVariable);
        }

        json.WriteEndArray();
        if (binding.Body.Length > 0)
        {
            json.WriteStartObject("requestBody");
            json.WriteBoolean("required", true);
            WriteContent(json, binding.Body == "*" ? request : request.FindFieldByName(binding.Body).MessageType);
            json.WriteEndObject();
        }

        json.WriteStartObject("responses");
        json.WriteStartObject("200");
        json.WriteString("description", binding.Method.IsServerStreaming ? "One object per line, until the client goes." : "It was done.");
        WriteContent(json, binding.Method.OutputType);
        json.WriteEndObject();
        json.WriteStartObject("default");
        json.WriteString("description", "It was not done.");
        json.WriteStartObject("content");
        json.WriteStartObject("application/json");
        json.WriteStartObject("schema");
        json.WriteString("$ref", "#/components/schemas/Error");
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteParameter(Utf8JsonWriter json, FieldDescriptor field, bool isVariable)
    {
        json.WriteStartObject();
        json.WriteString("name", field.Name);
        json.WriteString("in", isVariable ? "path" : "query");
        json.WriteBoolean("required", isVariable);
        json.WriteStartObject("schema");
        WriteType(json, field);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteContent(Utf8JsonWriter json, MessageDescriptor type)
    {
        json.WriteStartObject("content");
        json.WriteStartObject("application/json");
        json.WriteStartObject("schema");
        WriteReference(json, type);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static IEnumerable<MessageDescriptor> Types(IReadOnlyList<HttpBinding> bindings)
    {
        var seen = new HashSet<MessageDescriptor>();
        var open = new Stack<MessageDescriptor>(bindings.SelectMany(binding => new[] { binding.Method.InputType, binding.Method.OutputType }));
        while (open.TryPop(out var type))
        {
            if (type.FullName.StartsWith(WellKnown, StringComparison.Ordinal) || !seen.Add(type))
                continue;
            foreach (var field in type.Fields.InDeclarationOrder())
            {
                var inner = field.IsMap ? field.MessageType.FindFieldByNumber(2) : field;
                if (inner.FieldType == FieldType.Message)
                    open.Push(inner.MessageType);
            }
        }

        return seen.OrderBy(type => type.Name, StringComparer.Ordinal);
    }

    private static void WriteSchema(Utf8JsonWriter json, MessageDescriptor type)
    {
        json.WriteStartObject(type.Name);
        json.WriteString("type", "object");
        json.WriteStartObject("properties");
        foreach (var field in type.Fields.InDeclarationOrder())
        {
            json.WriteStartObject(field.JsonName);
            WriteType(json, field);
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteErrorSchema(Utf8JsonWriter json)
    {
        json.WriteStartObject("Error");
        json.WriteString("type", "object");
        json.WriteStartObject("properties");
        foreach (var (name, type) in new[] { ("code", "integer"), ("status", "string"), ("message", "string") })
        {
            json.WriteStartObject(name);
            json.WriteString("type", type);
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteType(Utf8JsonWriter json, FieldDescriptor field)
    {
        if (field.IsMap)
        {
            json.WriteString("type", "object");
            json.WriteStartObject("additionalProperties");
            WriteSingle(json, field.MessageType.FindFieldByNumber(2));
            json.WriteEndObject();
        }
        else if (field.IsRepeated)
        {
            json.WriteString("type", "array");
            json.WriteStartObject("items");
            WriteSingle(json, field);
            json.WriteEndObject();
        }
        else
        {
            WriteSingle(json, field);
        }
    }

    private static void WriteSingle(Utf8JsonWriter json, FieldDescriptor field)
    {
        switch (field.FieldType)
        {
            case FieldType.Message:
                WriteReference(json, field.MessageType);
                break;
            case FieldType.Enum:
                json.WriteString("type", "string");
                json.WriteStartArray("enum");
                foreach (var value in field.EnumType.Values)
                    json.WriteStringValue(value.Name);
                json.WriteEndArray();
                break;
            case FieldType.Bool:
                json.WriteString("type", "boolean");
                break;
            case FieldType.Double or FieldType.Float:
                json.WriteString("type", "number");
                break;
            case FieldType.Int32 or FieldType.UInt32 or FieldType.SInt32 or FieldType.Fixed32 or FieldType.SFixed32:
                json.WriteString("type", "integer");
                break;
            case FieldType.Bytes:
                json.WriteString("type", "string");
                json.WriteString("format", "byte");
                break;
            case FieldType.Int64 or FieldType.UInt64 or FieldType.SInt64 or FieldType.Fixed64 or FieldType.SFixed64:
                // 64 bits do not fit every reader's numbers, so protobuf's JSON has them as text.
                json.WriteString("type", "string");
                json.WriteString("format", "int64");
                break;
            default:
                json.WriteString("type", "string");
                break;
        }
    }

    private static void WriteReference(Utf8JsonWriter json, MessageDescriptor type)
    {
        switch (type.FullName)
        {
            case WellKnown + "Timestamp":
                json.WriteString("type", "string");
                json.WriteString("format", "date-time");
                break;
            case WellKnown + "ListValue":
                json.WriteString("type", "array");
                json.WriteStartObject("items");
                json.WriteEndObject();
                break;
            case WellKnown + "Value":
                json.WriteBoolean("nullable", true);
                break;
            default:
                json.WriteString("$ref", $"#/components/schemas/{type.Name}");
                break;
        }
    }
}
