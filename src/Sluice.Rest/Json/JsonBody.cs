using System.Buffers;
using System.Text.Json;
using System.Text.Unicode;
using Sluice.Inference;
using Sluice.Rest.Calls;

namespace Sluice.Rest.Json;

/// <summary>Reads small bodies that are one JSON object; inference reads its own.</summary>
internal static class JsonBody
{
    /// <summary>Reads the body.</summary>
    /// <returns>The object, which the caller disposes; null for an empty body.</returns>
    /// <exception cref="InferenceException">It is no JSON object.</exception>
    public static async ValueTask<JsonDocument?> ReadAsync(RestCall call)
    {
        using var body = await call.ReadBodyAsync().ConfigureAwait(false);
        if (body.Bytes.IsEmpty)
            return null;

        // The document reads from memory that it must not share with the transport.
        return Parse(body.Bytes.ToArray());
    }

    /// <summary>Reads an object; see <see cref="ReadAsync"/>.</summary>
    internal static JsonDocument Parse(byte[] json)
    {
        try
        {
            CheckTexts(json);
            var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = JsonTokens.MaxDepth });
            if (document.RootElement.ValueKind == JsonValueKind.Object)
                return document;
            document.Dispose();
            throw JsonTokens.Mistyped("request", JsonTokenType.StartObject);
        }
        catch (Exception error) when (JsonTokens.IsOfReader(error))
        {
            throw JsonTokens.Unreadable(error);
        }
    }

    /// <summary>Finds nesting past the protocol's bound, and strings that are no text while they can still be refused: a document
    /// finds out when they are read.</summary>
    private static void CheckTexts(byte[] json)
    {
        var reader = new Utf8JsonReader(json, JsonTokens.Options);
        while (reader.Read())
        {
            JsonTokens.CheckDepth(in reader);
            if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName))
                continue;
            if (reader.ValueIsEscaped)
                _ = reader.GetString();
            else if (!Utf8.IsValid(reader.ValueSpan))
                throw new JsonException("a string is not valid UTF-8");
        }
    }

    /// <summary>Finds a member; false when there is no body or it lacks the member.</summary>
    public static bool TryMember(JsonDocument? body, string name, out JsonElement member)
    {
        member = default;
        return body is not null && body.RootElement.TryGetProperty(name, out member);
    }

    /// <summary>Finds a member that must be there.</summary>
    /// <exception cref="InferenceException">It is missing or of another type.</exception>
    public static JsonElement Member(JsonDocument? body, string name, JsonTokenType type)
    {
        if (!TryMember(body, name, out var member))
            throw JsonTokens.Missing(name);
        var kind = type switch
        {
            JsonTokenType.String => JsonValueKind.String,
            JsonTokenType.StartObject => JsonValueKind.Object,
            _ => JsonValueKind.Number,
        };
        return member.ValueKind == kind ? member : throw JsonTokens.Mistyped(name, type);
    }
}
