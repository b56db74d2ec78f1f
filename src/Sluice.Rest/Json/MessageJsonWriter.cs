using System.Collections;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Sluice.Rest.Json;

/// <summary>Prints a message as the v2 HTTP protocol wants it (spec §2.1).</summary>
/// <remarks>
/// Proto field names, 64-bit integers as numbers, enums by name, bytes as base64. Plain fields, lists and maps stand even
/// when they are empty; messages and members of a oneof only when set. Protobuf's own JSON mapping differs in the first two.
/// </remarks>
internal static class MessageJsonWriter
{
    /// <summary>Leaves quotes and the like as they are: people and scripts read these texts, no browser executes them.</summary>
    public static JsonWriterOptions Options { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Prints one message.</summary>
    /// <param name="writer">Where it goes.</param>
    /// <param name="message">The message.</param>
    /// <param name="omitEmpty">A map of it that is left out when empty, because the original does not know it.</param>
    public static void Write(Utf8JsonWriter writer, IMessage message, string omitEmpty = "")
    {
        writer.WriteStartObject();
        foreach (var field in message.Descriptor.Fields.InDeclarationOrder())
        {
            if (!IsShown(message, field) ||
                (field.Name == omitEmpty && field.Accessor.GetValue(message) is ICollection { Count: 0 }))
                continue;
            writer.WritePropertyName(field.Name);
            WriteField(writer, field, field.Accessor.GetValue(message));
        }

        writer.WriteEndObject();
    }

    /// <summary>Prints a list of messages as an array.</summary>
    public static void WriteArray(Utf8JsonWriter writer, IEnumerable messages)
    {
        writer.WriteStartArray();
        foreach (IMessage message in messages)
            Write(writer, message);
        writer.WriteEndArray();
    }

    private static bool IsShown(IMessage message, FieldDescriptor field)
    {
        if (field.IsRepeated || field.IsMap)
            return true;
        if (field.ContainingOneof is { } oneof)
            return oneof.Accessor.GetCaseFieldDescriptor(message) == field;
        return field.FieldType != FieldType.Message || field.Accessor.GetValue(message) is not null;
    }

    private static void WriteField(Utf8JsonWriter writer, FieldDescriptor field, object value)
    {
        if (field.IsMap)
        {
            var valueField = field.MessageType.FindFieldByNumber(2);
            writer.WriteStartObject();
            foreach (DictionaryEntry entry in (IDictionary)value)
            {
                writer.WritePropertyName(Convert.ToString(entry.Key, CultureInfo.InvariantCulture)!);
                WriteValue(writer, valueField, entry.Value!);
            }

            writer.WriteEndObject();
        }
        else if (field.IsRepeated)
        {
            writer.WriteStartArray();
            foreach (var item in (IEnumerable)value)
                WriteValue(writer, field, item);
            writer.WriteEndArray();
        }
        else
        {
            WriteValue(writer, field, value);
        }
    }

    private static void WriteValue(Utf8JsonWriter writer, FieldDescriptor field, object value)
    {
        switch (value)
        {
            case IMessage message:
                Write(writer, message);
                break;
            case string text:
                writer.WriteStringValue(text);
                break;
            case bool flag:
                writer.WriteBooleanValue(flag);
                break;
            case int number:
                writer.WriteNumberValue(number);
                break;
            case uint number:
                writer.WriteNumberValue(number);
                break;
            case long number:
                writer.WriteNumberValue(number);
                break;
            case ulong number:
                writer.WriteNumberValue(number);
                break;
            case float or double:
                WriteReal(writer, Convert.ToDouble(value, CultureInfo.InvariantCulture), value);
                break;
            case ByteString bytes:
                writer.WriteBase64StringValue(bytes.Span);
                break;
            case Enum:
                WriteEnum(writer, field.EnumType, Convert.ToInt32(value, CultureInfo.InvariantCulture));
                break;
        }
    }

    private static void WriteReal(Utf8JsonWriter writer, double value, object exact)
    {
        if (!double.IsFinite(value))
            writer.WriteStringValue(value.ToString(CultureInfo.InvariantCulture));
        else if (exact is float single)
            writer.WriteNumberValue(single);
        else
            writer.WriteNumberValue(value);
    }

    private static void WriteEnum(Utf8JsonWriter writer, EnumDescriptor type, int number)
    {
        // An unknown number cannot be named; it stays a number as in protobuf's own mapping.
        if (type.FindValueByNumber(number) is { } known)
            writer.WriteStringValue(known.Name);
        else
            writer.WriteNumberValue(number);
    }
}
