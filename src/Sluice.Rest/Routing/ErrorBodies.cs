using System.Buffers;
using System.Text.Json;
using Sluice.Inference;
using Sluice.Rest.Json;

namespace Sluice.Rest.Routing;

/// <summary>The shapes that errors have on ports other than that of the v2 protocol.</summary>
public static class ErrorBodies
{
    /// <summary>The control API's: <c>{"code": 5, "status": "NOT_FOUND", "message": "…"}</c>.</summary>
    public static void Status(IBufferWriter<byte> output, InferenceCode code, string message)
    {
        using var json = new Utf8JsonWriter(output, MessageJsonWriter.Options);
        json.WriteStartObject();
        json.WriteNumber("code", (int)code);
        json.WriteString("status", code.ToName());
        json.WriteString("message", message);
        json.WriteEndObject();
    }

    /// <summary>The endpoints': <c>{"detail": "…"}</c>.</summary>
    public static void Detail(IBufferWriter<byte> output, InferenceCode code, string message)
    {
        using var json = new Utf8JsonWriter(output, MessageJsonWriter.Options);
        json.WriteStartObject();
        json.WriteString("detail", message);
        json.WriteEndObject();
    }
}
