using System.Buffers;
using System.Text.Json;
using Sluice.Inference;

namespace Sluice.History.Api;

/// <summary>The envelope around every answer of ClearML's interface (spec clearml §6.1).</summary>
public static class CallEnvelope
{
    private const string Version = "2.31";

    /// <summary>How its JSON is written.</summary>
    public static JsonWriterOptions Writing { get; } = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes an answer.</summary>
    /// <param name="output">Where it goes.</param>
    /// <param name="call">Such as <c>serving.get_endpoints</c>; empty when it was not found out.</param>
    /// <param name="code">The HTTP status.</param>
    /// <param name="subcode">The original's number of the error; 0 = none.</param>
    /// <param name="message">What went wrong, or OK.</param>
    /// <param name="data">The answer, JSON.</param>
    public static void Write(IBufferWriter<byte> output, string call, int code, int subcode, string message, ReadOnlySpan<byte> data)
    {
        var id = Guid.NewGuid().ToString("n");
        using var json = new Utf8JsonWriter(output, Writing);
        json.WriteStartObject();
        json.WriteStartObject("meta");
        json.WriteString("id", id);
        json.WriteString("trx", id);
        json.WriteStartObject("endpoint");
        json.WriteString("name", call);
        json.WriteString("requested_version", Version);
        json.WriteString("actual_version", Version);
        json.WriteEndObject();
        json.WriteNumber("result_code", code);
        json.WriteNumber("result_subcode", subcode);
        json.WriteString("result_msg", message);
        json.WriteString("error_stack", "");
        json.WriteStartObject("error_data");
        json.WriteEndObject();
        json.WriteEndObject();
        json.WritePropertyName("data");
        json.WriteRawValue(data);
        json.WriteEndObject();
    }

    /// <summary>Writes the answer to a call that failed for a reason of the server's.</summary>
    public static void WriteError(IBufferWriter<byte> output, InferenceCode code, string message)
    {
        var (status, subcode) = code switch
        {
            InferenceCode.Unauthenticated => (401, 20),
            InferenceCode.PermissionDenied => (403, 21),
            InferenceCode.InvalidArgument or InferenceCode.ResourceExhausted or InferenceCode.Unimplemented => (400, 0),
            _ => (code.ToHttpStatus(), 0),
        };
        Write(output, "", status, subcode, message, "{}"u8);
    }
}
