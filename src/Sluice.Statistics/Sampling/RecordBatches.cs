using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Statistics.Sampling;

/// <summary>Writes sampled calls as the records of the original's producer, an array of them per message (spec clearml §4.1).</summary>
/// <remarks><b>Threads.</b> One.</remarks>
internal sealed class RecordBatches : IDisposable
{
    // Well below a broker's usual limit of a million bytes.
    private const int MostBytes = 128 * 1024;

    private readonly Dictionary<(string Server, string Endpoint), Batch> _batches = [];
    private readonly ArrayBufferWriter<byte> _record = new();
    private readonly Utf8JsonWriter _json;
    private readonly IRecordPublisher _publisher;

    public RecordBatches(IRecordPublisher publisher)
    {
        _publisher = publisher;
        _json = new Utf8JsonWriter(_record, new JsonWriterOptions { SkipValidation = true });
    }

    /// <summary>Adds a record.</summary>
    /// <param name="plan">What was sampled.</param>
    /// <param name="seconds">What the call took.</param>
    /// <param name="record">Its values; null = none.</param>
    /// <param name="last">By variable, the number of the value that counts.</param>
    public void Add(SamplingPlan plan, double seconds, SampleRecord? record, ReadOnlySpan<int> last)
    {
        var key = (plan.KafkaServer, plan.Endpoint);
        if (!_batches.TryGetValue(key, out var batch))
            _batches[key] = batch = new Batch();

        // Written apart first: one that turns out to be unreadable leaves no trace in the message.
        _record.ResetWrittenCount();
        _json.Reset();
        Write(_json, plan, seconds, record, last);
        _json.Flush();

        // A large one goes alone, so that its size costs no other.
        if (batch.Count > 0 && batch.Bytes.WrittenCount + _record.WrittenCount > MostBytes)
            Send(key, batch);
        batch.Bytes.Write(batch.Count++ == 0 ? "["u8 : ","u8);
        batch.Bytes.Write(_record.WrittenSpan);
        if (batch.Bytes.WrittenCount >= MostBytes)
            Send(key, batch);
    }

    /// <summary>Sends what was added.</summary>
    public void Flush()
    {
        List<(string, string)>? idle = null;
        foreach (var (key, batch) in _batches)
        {
            if (batch.Count > 0)
                Send(key, batch);
            else
                (idle ??= []).Add(key);
        }

        // Endpoints come and go; what brings nothing for one turn is made anew when it does.
        foreach (var key in idle ?? [])
            _batches.Remove(key);
    }

    /// <inheritdoc/>
    public void Dispose() => _json.Dispose();

    private void Send((string Server, string Endpoint) key, Batch batch)
    {
        batch.Bytes.Write("]"u8);
        _publisher.Publish(key.Server, key.Endpoint, batch.Bytes.WrittenSpan, batch.Count);
        batch.Bytes.ResetWrittenCount();
        batch.Count = 0;
    }

    private static void Write(Utf8JsonWriter json, SamplingPlan plan, double seconds, SampleRecord? record, ReadOnlySpan<int> last)
    {
        json.WriteStartObject();
        json.WriteString("_url", plan.Endpoint);
        if (record is not { IsResponse: true })
        {
            json.WriteNumber("_latency", seconds);
            json.WriteNumber("_count", plan.Weight);
        }

        if (record is not null)
            WriteValues(json, plan, record, last);
        json.WriteEndObject();
    }

    private static void WriteValues(Utf8JsonWriter json, SamplingPlan plan, SampleRecord record, ReadOnlySpan<int> last)
    {
        var number = 0;
        for (var values = record.Values; values.MoveNext(); number++)
        {
            if (last[values.Variable] != number)
                continue;
            json.WritePropertyName(plan.Variables[values.Variable].NameUtf8);
            if (values.Type == DataType.Invalid)
                json.WriteRawValue(values.Bytes, skipInputValidation: true);
            else
                WriteTensor(json, values.Type, values.Bytes);
        }

        WriteCustom(json, plan, record.Custom.Span);
    }

    /// <summary>Statistics of the code's own that are no variables; those that are have been written.</summary>
    private static void WriteCustom(Utf8JsonWriter json, SamplingPlan plan, ReadOnlySpan<byte> custom)
    {
        if (custom.IsEmpty)
            return;
        var reader = new Utf8JsonReader(custom);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            var start = (int)reader.TokenStartIndex;
            reader.Skip();
            if (name is "_url" or "_latency" or "_count" || plan.Variables.Any(variable => variable.Name == name))
                continue;
            json.WritePropertyName(name);
            json.WriteRawValue(custom[start..(int)reader.BytesConsumed], skipInputValidation: true);
        }
    }

    private static void WriteTensor(Utf8JsonWriter json, DataType type, ReadOnlySpan<byte> bytes)
    {
        json.WriteStartArray();
        switch (type)
        {
            case DataType.Bytes:
                for (var rest = bytes; rest.Length >= sizeof(uint);)
                {
                    var length = (int)Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(rest), (uint)(rest.Length - sizeof(uint)));
                    json.WriteStringValue(Encoding.UTF8.GetString(rest.Slice(sizeof(uint), length)));
                    rest = rest[(sizeof(uint) + length)..];
                }

                break;
            case DataType.Fp32:
                foreach (var value in MemoryMarshal.Cast<byte, float>(bytes))
                    WriteNumber(json, float.IsFinite(value), value, static (writer, number) => writer.WriteNumberValue(number));
                break;
            default:
                NumberReader.Read(type, bytes, json, static (writer, value) =>
                    WriteNumber(writer, double.IsFinite(value), value, static (inner, number) => inner.WriteNumberValue(number)));
                break;
        }

        json.WriteEndArray();
    }

    private static void WriteNumber<T>(Utf8JsonWriter json, bool isFinite, T value, Action<Utf8JsonWriter, T> write)
    {
        if (isFinite)
            write(json, value);
        else
            json.WriteNullValue();
    }

    private sealed class Batch
    {
        public ArrayBufferWriter<byte> Bytes { get; } = new();

        public int Count { get; set; }
    }
}
