using System.Globalization;
using System.Text.Json;
using Google.Protobuf.WellKnownTypes;

namespace Sluice.Cli.Control;

/// <summary>Reads <c>key.nested=value</c> words as the original does: dots nest, numbers, booleans and lists are typed, all else is
/// text with the quotes it came with.</summary>
internal static class HoconReader
{
    /// <summary>Reads words; of equal keys the last counts.</summary>
    /// <exception cref="CommandException">A word has no key or no value.</exception>
    public static Value Read(IEnumerable<string> words)
    {
        var root = new Struct();
        foreach (var line in words.SelectMany(word => word.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)))
        {
            if (line.StartsWith('#') || line.StartsWith("//", StringComparison.Ordinal))
                continue;
            var at = line.AsSpan().IndexOfAny('=', ':');
            if (at <= 0)
                throw new CommandException($"--aux-config '{line}' must look like key=value, or be a file that exists");
            Set(root, line[..at].Trim(), Parse(line[(at + 1)..].Trim()));
        }

        return new Value { StructValue = root };
    }

    private static void Set(Struct root, string path, Value value)
    {
        var parts = path.Split('.');
        foreach (var part in parts[..^1].Select(Unquote))
        {
            if (!root.Fields.TryGetValue(part, out var inner) || inner.KindCase != Value.KindOneofCase.StructValue)
                root.Fields[part] = inner = new Value { StructValue = new Struct() };
            root = inner.StructValue;
        }

        root.Fields[Unquote(parts[^1])] = value;
    }

    private static string Unquote(string key) => key.Trim().Trim('"');

    private static Value Parse(string text) => text switch
    {
        "true" => Value.ForBool(true),
        "false" => Value.ForBool(false),
        "null" or "" => Value.ForNull(),
        ['[', .., ']'] => Value.ForList([.. Items(text[1..^1]).Select(Parse)]),
        ['{', .., '}'] => ParseObject(text),
        _ => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)
            ? Value.ForNumber(number)
            : Value.ForString(text),
    };

    private static Value ParseObject(string text)
    {
        try
        {
            return Google.Protobuf.JsonParser.Default.Parse<Value>(text);
        }
        catch (Exception error) when (error is JsonException or Google.Protobuf.InvalidJsonException or Google.Protobuf.InvalidProtocolBufferException)
        {
            return Read(Items(text[1..^1]));
        }
    }

    /// <summary>Splits at commas that stand outside of quotes and brackets.</summary>
    private static List<string> Items(string text)
    {
        var items = new List<string>();
        var (start, depth, isQuoted) = (0, 0, false);
        for (var i = 0; i <= text.Length; i++)
        {
            if (i == text.Length || (text[i] == ',' && depth == 0 && !isQuoted))
            {
                if (text[start..i].Trim() is { Length: > 0 } item)
                    items.Add(item);
                start = i + 1;
                continue;
            }

            isQuoted ^= text[i] == '"';
            depth += isQuoted ? 0 : text[i] is '[' or '{' ? 1 : text[i] is ']' or '}' ? -1 : 0;
        }

        return items;
    }
}
