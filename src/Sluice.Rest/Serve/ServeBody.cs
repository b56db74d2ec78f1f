using System.Text;
using System.Text.Json;
using Sluice.Inference;
using Sluice.Rest.Json;

namespace Sluice.Rest.Serve;

/// <summary>A request's body as an endpoint gets it (spec clearml §3.2).</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Content">Its bytes.</param>
/// <param name="Faults">Why it is refused, a JSON array; null = it is not.</param>
internal readonly record struct ServeBody(EndpointBody Kind, ReadOnlyMemory<byte> Content, byte[]? Faults)
{
    private const int DeepestNesting = 256;

    private static readonly JsonReaderOptions Options = new() { MaxDepth = DeepestNesting };

    /// <summary>Decides by content type and first token what a body is.</summary>
    /// <param name="body">Decompressed.</param>
    /// <param name="contentType">The header; null = absent, which means JSON.</param>
    public static ServeBody Read(ReadOnlyMemory<byte> body, string? contentType)
    {
        if (body.IsEmpty)
            return new ServeBody(EndpointBody.Empty, default, null);
        if (!IsJson(contentType))
            return new ServeBody(EndpointBody.Bytes, body, null);
        if (body.Span.StartsWith(Encoding.UTF8.Preamble))
            body = body[Encoding.UTF8.Preamble.Length..];
        try
        {
            return Classify(body, body.Span);
        }
        catch (JsonException error)
        {
            return ReadWords(body, error);
        }
    }

    private static bool IsJson(string? contentType)
    {
        if (string.IsNullOrWhiteSpace(contentType))
            return true;
        var type = contentType.AsSpan();
        var end = type.IndexOf(';');
        type = (end < 0 ? type : type[..end]).Trim();
        return type.Equals("application/json", StringComparison.OrdinalIgnoreCase) ||
            (type.StartsWith("application/", StringComparison.OrdinalIgnoreCase) && type.EndsWith("+json", StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>Python's reader takes the bare words NaN and Infinity, and existing clients send them.</summary>
    private static ServeBody ReadWords(ReadOnlyMemory<byte> body, JsonException error)
    {
        if (BareWords.Quote(body.Span) is { } quoted)
        {
            try
            {
                // A bare word alone is a number, not the text that its quotes make of it.
                var read = Classify(body, quoted);
                return read.Kind == EndpointBody.Bytes ? Refuse("dict_type", "Input should be a valid dictionary", null, null) : read;
            }
            catch (JsonException)
            {
                // The words were not what was wrong.
            }
        }

        return Refuse("json_invalid", "JSON decode error", error.BytePositionInLine ?? 0, error.Message);
    }

    /// <param name="body">What the endpoint gets.</param>
    /// <param name="json">What is checked.</param>
    private static ServeBody Classify(ReadOnlyMemory<byte> body, ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, Options);
        reader.Read();
        var first = reader.TokenType;
        var text = first == JsonTokenType.String ? ReadText(ref reader) : null;
        while (reader.Read())
        {
            // Only its being JSON to the end is asked.
        }

        return first switch
        {
            JsonTokenType.StartObject => new ServeBody(EndpointBody.JsonObject, body, null),
            JsonTokenType.Null => new ServeBody(EndpointBody.Empty, default, null),
            JsonTokenType.String => new ServeBody(EndpointBody.Bytes, text, null),
            _ => Refuse("dict_type", "Input should be a valid dictionary", null, null),
        };
    }

    private static byte[] ReadText(ref Utf8JsonReader reader)
    {
        try
        {
            return Encoding.UTF8.GetBytes(reader.GetString()!);
        }
        catch (InvalidOperationException error)
        {
            throw new JsonException(error.Message, error);
        }
    }

    private static ServeBody Refuse(string type, string message, long? position, string? why)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartArray();
            json.WriteStartObject();
            json.WriteString("type", type);
            json.WriteStartArray("loc");
            json.WriteStringValue("body");
            if (position is { } at)
                json.WriteNumberValue(at);
            json.WriteEndArray();
            json.WriteString("msg", message);
            if (why is not null)
            {
                json.WriteStartObject("ctx");
                json.WriteString("error", why);
                json.WriteEndObject();
            }

            json.WriteEndObject();
            json.WriteEndArray();
        }

        return new ServeBody(EndpointBody.Empty, default, stream.ToArray());
    }
}
