using System.Collections;
using System.Globalization;
using System.Text;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Sluice.Inference;

namespace Sluice.Rest.Transcoding;

/// <summary>Fills a message from a body, a path and a query.</summary>
/// <remarks>Names may be the contract's own or in camel case. What no field takes is an error that names it.</remarks>
internal static class MessageBinder
{
    private static readonly JsonParser Parser = new(JsonParser.Settings.Default);

    /// <summary>Reads the body into a new message.</summary>
    /// <param name="binding">The method's HTTP form.</param>
    /// <param name="type">The request's type.</param>
    /// <param name="body">UTF-8 JSON; empty = nothing is said.</param>
    public static IMessage ReadBody(HttpBinding binding, MessageDescriptor type, ReadOnlySpan<byte> body)
    {
        if (binding.Body.Length == 0 || body.IsEmpty)
            return type.Parser.ParseFrom(ByteString.Empty);
        if (binding.Body == "*")
            return Parse(body, type);
        var message = type.Parser.ParseFrom(ByteString.Empty);
        var field = type.FindFieldByName(binding.Body);
        field.Accessor.SetValue(message, Parse(body, field.MessageType));
        return message;
    }

    /// <summary>Sets a field by its path, such as <c>service_id</c> or <c>state.revision</c>; a list gets one more item.</summary>
    public static void Set(IMessage message, string path, string text)
    {
        var target = message;
        var names = path.Split('.');
        for (var i = 0; i < names.Length - 1; i++)
        {
            var field = Find(target.Descriptor, names[i], path);
            if (field.FieldType != FieldType.Message || field.IsRepeated)
                throw InferenceException.Invalid($"query parameter '{path}': {names[i]} has no fields");
            if (field.Accessor.GetValue(target) is not IMessage inner)
                field.Accessor.SetValue(target, inner = field.MessageType.Parser.ParseFrom(ByteString.Empty));
            target = inner;
        }

        var last = Find(target.Descriptor, names[^1], path);
        if (last.IsMap)
            throw InferenceException.Invalid($"query parameter '{path}' is a map, which only a body can hold");
        if (last.IsRepeated)
            ((IList)last.Accessor.GetValue(target)).Add(Convert(last, path, text));
        else
            last.Accessor.SetValue(target, Convert(last, path, text));
    }

    private static IMessage Parse(ReadOnlySpan<byte> body, MessageDescriptor type)
    {
        string text;
        try
        {
            text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(body);
            return Parser.Parse(text, type);
        }
        catch (Exception error) when (error is InvalidProtocolBufferException or InvalidJsonException or DecoderFallbackException
            or ArgumentException or FormatException or OverflowException or InvalidOperationException)
        {
            throw InferenceException.Invalid($"the body is no {type.Name}: {error.Message}");
        }
    }

    private static FieldDescriptor Find(MessageDescriptor type, string name, string path) =>
        type.FindFieldByName(name) ?? type.Fields.InDeclarationOrder().FirstOrDefault(field => field.JsonName == name) ??
        throw InferenceException.Invalid(
            $"there is no parameter '{path}'; there are: " +
            string.Join(", ", type.Fields.InDeclarationOrder().Select(field => field.Name)));

    private static object Convert(FieldDescriptor field, string path, string text)
    {
        var culture = CultureInfo.InvariantCulture;
        switch (field.FieldType)
        {
            case FieldType.String:
                return text;
            case FieldType.Bool when text is "true" or "1" or "":
                return true;
            case FieldType.Bool when text is "false" or "0":
                return false;
            case FieldType.Int32 or FieldType.SInt32 or FieldType.SFixed32 when int.TryParse(text, culture, out var number):
                return number;
            case FieldType.UInt32 or FieldType.Fixed32 when uint.TryParse(text, culture, out var number):
                return number;
            case FieldType.Int64 or FieldType.SInt64 or FieldType.SFixed64 when long.TryParse(text, culture, out var number):
                return number;
            case FieldType.UInt64 or FieldType.Fixed64 when ulong.TryParse(text, culture, out var number):
                return number;
            case FieldType.Double when double.TryParse(text, culture, out var number):
                return number;
            case FieldType.Float when float.TryParse(text, culture, out var number):
                return number;
            case FieldType.Enum when field.EnumType.FindValueByName(text) is { } value:
                return value.Number;
            default:
                throw InferenceException.Invalid(
                    $"parameter '{path}' is '{text}', which is no {field.FieldType.ToString().ToLowerInvariant()}");
        }
    }
}
