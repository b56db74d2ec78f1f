using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Sluice.Control.Records;

/// <summary>Records as JSON, in the form in which they are stored and shown: names in snake case, fields in their order.</summary>
public static class RecordJson
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NumberHandling = JsonNumberHandling.AllowReadingFromString,
        Converters = { new ValueListConverterFactory(), new ValueMapConverterFactory() },
        IgnoreReadOnlyProperties = true,
    };

    /// <summary>Prints a record.</summary>
    public static string Write<T>(T record)
        where T : class
    {
        var node = JsonSerializer.SerializeToNode(record, Options)!.AsObject();
        ExpandAuxiliary(node);
        return node.ToJsonString(Options);
    }

    /// <summary>Reads a record; fields that it does not have are passed over.</summary>
    /// <exception cref="JsonException">It is not one.</exception>
    public static T Read<T>(string json)
        where T : class
    {
        var node = JsonNode.Parse(json) as JsonObject ?? throw new JsonException("the record is no object");
        CollapseAuxiliary(node);
        return node.Deserialize<T>(Options) ?? throw new JsonException("the record is null");
    }

    /// <summary>Brings JSON into the one form in which equal values are equal texts, but for the order of keys.</summary>
    /// <exception cref="JsonException">It is none.</exception>
    public static string Canonical(string json) => JsonNode.Parse(json)?.ToJsonString(Options) ?? "null";

    // The record keeps the settings as text; outside they are what they are, an object or a string.
    private static void ExpandAuxiliary(JsonObject node)
    {
        if (node["auxiliary_cfg"] is JsonValue value && value.TryGetValue<string>(out var text))
            node["auxiliary_cfg"] = JsonNode.Parse(text);
    }

    private static void CollapseAuxiliary(JsonObject node)
    {
        if (node["auxiliary_cfg"] is { } value)
            node["auxiliary_cfg"] = value.ToJsonString(Options);
    }

    private sealed class ValueListConverterFactory : JsonConverterFactory
    {
        public override bool CanConvert(Type typeToConvert) =>
            typeToConvert.IsGenericType && typeToConvert.GetGenericTypeDefinition() == typeof(ValueList<>);

        public override JsonConverter CreateConverter(Type typeToConvert, JsonSerializerOptions options) =>
            (JsonConverter)Activator.CreateInstance(
                typeof(ValueListConverter<>).MakeGenericType(typeToConvert.GetGenericArguments()))!;
    }

    private sealed class ValueListConverter<T> : JsonConverter<ValueList<T>>
    {
        // A list that somebody left out or set to null is empty.
        public override bool HandleNull => true;

        public override ValueList<T> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            ValueList.Create<T>(JsonSerializer.Deserialize<T[]>(ref reader, options) ?? []);

        public override void Write(Utf8JsonWriter writer, ValueList<T> value, JsonSerializerOptions options) =>
            JsonSerializer.Serialize(writer, value.ToArray(), options);
    }

    private sealed class ValueMapConverterFactory : JsonConverterFactory
    {
        public override bool CanConvert(Type typeToConvert) =>
            typeToConvert.IsGenericType && typeToConvert.GetGenericTypeDefinition() == typeof(ValueMap<,>);

        public override JsonConverter CreateConverter(Type typeToConvert, JsonSerializerOptions options) =>
            (JsonConverter)Activator.CreateInstance(
                typeof(ValueMapConverter<,>).MakeGenericType(typeToConvert.GetGenericArguments()))!;
    }

    private sealed class ValueMapConverter<TKey, TValue> : JsonConverter<ValueMap<TKey, TValue>>
        where TKey : notnull
    {
        public override bool HandleNull => true;

        public override ValueMap<TKey, TValue> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            new(JsonSerializer.Deserialize<Dictionary<TKey, TValue>>(ref reader, options) ?? []);

        public override void Write(Utf8JsonWriter writer, ValueMap<TKey, TValue> value, JsonSerializerOptions options) =>
            JsonSerializer.Serialize(writer, value.ToDictionary(pair => pair.Key, pair => pair.Value), options);
    }
}
