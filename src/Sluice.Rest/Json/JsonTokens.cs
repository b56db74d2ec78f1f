using System.Globalization;
using System.Text;
using System.Text.Json;
using Sluice.Inference;

namespace Sluice.Rest.Json;

/// <summary>Reads tokens with the protocol's bounds and error texts.</summary>
internal static class JsonTokens
{
    /// <summary>Deepest nesting that is read (spec §2.3).</summary>
    public const int MaxDepth = 100;

    private const int LongestQuote = 64;

    // The reader's own limit lies higher, so that ours is the one that speaks.
    public static readonly JsonReaderOptions Options = new() { MaxDepth = 2 * MaxDepth };

    /// <summary>Goes to the next token; the text must hold one.</summary>
    public static JsonTokenType Next(ref Utf8JsonReader reader)
    {
        if (!reader.Read())
            throw InferenceException.Invalid("failed to parse the request JSON buffer: it ends too early");
        CheckDepth(in reader);
        return reader.TokenType;
    }

    /// <summary>Refuses the start of an array or an object that lies too deep.</summary>
    public static void CheckDepth(in Utf8JsonReader reader)
    {
        if (reader.CurrentDepth >= MaxDepth && reader.TokenType is JsonTokenType.StartArray or JsonTokenType.StartObject)
            throw TooDeep();
    }

    /// <summary>Goes to the value of a property, which the reader stands on, and past all of it.</summary>
    public static void SkipValue(ref Utf8JsonReader reader)
    {
        Next(ref reader);
        SkipRest(ref reader);
    }

    /// <summary>Goes to the end of the value that the reader stands on.</summary>
    public static void SkipRest(ref Utf8JsonReader reader)
    {
        if (reader.TokenType is not (JsonTokenType.StartArray or JsonTokenType.StartObject))
            return;
        var depth = reader.CurrentDepth;
        while (Next(ref reader) is not (JsonTokenType.EndArray or JsonTokenType.EndObject) || reader.CurrentDepth > depth)
        {
        }
    }

    public static void Expect(ref Utf8JsonReader reader, string name, JsonTokenType type)
    {
        if (Next(ref reader) != type)
            throw Mistyped(name, type);
    }

    /// <summary>Stores the string that the reader stands on in the request's text.</summary>
    public static Utf8Slice ReadText(ref Utf8JsonReader reader, string name, InferRequest request)
    {
        if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName) || BareWords.TryRead(in reader, out _))
            throw Mistyped(name, JsonTokenType.String);
        if (!reader.ValueIsEscaped && !reader.HasValueSequence)
            return request.AddText(reader.ValueSpan);
        return request.AddText(Encoding.UTF8.GetBytes(reader.GetString()!));
    }

    /// <summary>Returns the value that the reader stands on as it was written, shortened, for error texts.</summary>
    public static string Quote(ref Utf8JsonReader reader)
    {
        if (reader.TokenType is JsonTokenType.StartArray or JsonTokenType.StartObject)
            return reader.TokenType == JsonTokenType.StartArray ? "an array" : "an object";
        if (BareWords.TryRead(in reader, out var word))
            return word.ToString(CultureInfo.InvariantCulture);
        var text = reader.HasValueSequence
            ? Encoding.UTF8.GetString(reader.ValueSequence)
            : Encoding.UTF8.GetString(reader.ValueSpan);
        text = text.Length > LongestQuote ? text[..LongestQuote] + "..." : text;
        return reader.TokenType == JsonTokenType.String ? $"\"{text}\"" : text;
    }

    public static InferenceException TooDeep() =>
        InferenceException.Invalid($"JSON nesting depth exceeds maximum allowed limit ({MaxDepth})");

    /// <summary>What the reader refuses; the cause stands in it.</summary>
    public static InferenceException Unreadable(Exception error) =>
        new(InferenceCode.InvalidArgument, $"failed to parse the request JSON buffer: {error.Message}", error);

    public static InferenceException Mistyped(string name, JsonTokenType type)
    {
        var wanted = type switch
        {
            JsonTokenType.StartArray => "array",
            JsonTokenType.StartObject => "object",
            JsonTokenType.String => "string",
            JsonTokenType.True => "boolean",
            _ => "number",
        };
        return InferenceException.Invalid($"Unable to parse '{name}': attempt to access JSON non-{wanted} as {wanted}");
    }

    public static InferenceException Missing(string name) => InferenceException.Invalid(
        $"Unable to parse '{name}': attempt to access non-existing object member '{name}'");

    /// <summary>Tells whether an exception is the JSON reader's word for a text that is wrong.</summary>
    /// <remarks>Strings that are no text are an invalid operation to it; and in .NET 10 it leaves its array when a text in
    /// several segments ends within <c>null</c>, <c>true</c> or <c>false</c>.</remarks>
    public static bool IsOfReader(Exception error) => error is JsonException or InvalidOperationException ||
        (error is IndexOutOfRangeException && error.StackTrace!.Contains(".Utf8JsonReader.", StringComparison.Ordinal));
}
