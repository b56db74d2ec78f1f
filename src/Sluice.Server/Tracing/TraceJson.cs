using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Sluice.Inference;

namespace Sluice.Server.Tracing;

/// <summary>Writes a trace as the objects of the original's file: one that says what it is of, one of moments, one per tensor.</summary>
internal static class TraceJson
{

    private static readonly JsonWriterOptions Options = new()
    {
        SkipValidation = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Appends the objects, with commas between them.</summary>
    public static void Write(IBufferWriter<byte> output, RequestTrace trace)
    {
        WriteOne(output, trace, WriteHead);
        if (trace.Moments.Count > 0)
        {
            output.Write(","u8);
            WriteOne(output, trace, WriteMoments);
        }

        foreach (var tensor in trace.Tensors)
        {
            output.Write(","u8);
            WriteOne(output, (trace.Id, tensor), WriteTensor);
        }
    }

    private static void WriteOne<T>(IBufferWriter<byte> output, T value, Action<Utf8JsonWriter, T> write)
    {
        using var json = new Utf8JsonWriter(output, Options);
        json.WriteStartObject();
        write(json, value);
        json.WriteEndObject();
    }

    private static void WriteHead(Utf8JsonWriter json, RequestTrace trace)
    {
        json.WriteNumber("id", trace.Id);
        json.WriteString("model_name", trace.ModelName);
        json.WriteNumber("model_version", long.TryParse(trace.ModelVersion, CultureInfo.InvariantCulture, out var version) ? version : -1);
        if (trace.RequestId.Length > 0)
            json.WriteString("request_id", trace.RequestId);
        if (trace.ParentId != 0)
            json.WriteNumber("parent_id", trace.ParentId);
        if (trace.TraceParent is not null)
            json.WriteString("traceparent", trace.TraceParent);
        if (trace.Status != InferenceCode.Ok)
            json.WriteString("status", trace.Status.ToName());
    }

    private static void WriteMoments(Utf8JsonWriter json, RequestTrace trace)
    {
        json.WriteNumber("id", trace.Id);
        json.WriteStartArray("timestamps");
        foreach (var (name, ticks) in trace.Moments)
        {
            json.WriteStartObject();
            json.WriteString("name", name);
            json.WriteNumber("ns", ModelStatistics.ToNanoseconds(ticks));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteTensor(Utf8JsonWriter json, (long Id, TraceTensor Tensor) item)
    {
        json.WriteNumber("id", item.Id);
        json.WriteString("activity", item.Tensor.Activity);
        json.WriteStartObject("tensor");
        json.WriteString("name", item.Tensor.Name);
        json.WriteString("data", item.Tensor.Data);
        json.WriteString("shape", item.Tensor.Shape);
        json.WriteString("dtype", item.Tensor.DataType);
        json.WriteEndObject();
    }
}
