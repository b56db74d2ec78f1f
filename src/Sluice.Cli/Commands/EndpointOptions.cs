using System.Text.Json;
using Google.Protobuf.Collections;
using Google.Protobuf.WellKnownTypes;
using Sluice.Cli.Control;
using Sluice.Cli.Parsing;

namespace Sluice.Cli.Commands;

/// <summary>Options that <c>model add</c> and <c>model auto-update</c> share (spec clearml §1.12).</summary>
internal static class EndpointOptions
{
    public static readonly string[] Engines = ["triton", "sklearn", "xgboost", "lightgbm", "custom", "custom_async", "vllm"];

    public static IReadOnlyList<OptionSpec> All { get; } =
    [
        OptionSpec.One("--engine", $"What runs it: {string.Join(", ", Engines)}", isRequired: true),
        OptionSpec.One("--preprocess", "File or folder with the class Preprocess."),
        OptionSpec.Many("--input-size", "Dimensions: 1 28 28 is one input, \"[1,28]\" \"[2]\" are two.").Also("--input_size") with { Check = CheckSize },
        OptionSpec.Many("--input-type", "numpy type of each input, such as float32.").Also("--input_type"),
        OptionSpec.Many("--input-name", "Name of each input.").Also("--input_name"),
        OptionSpec.Many("--output-size", "Dimensions of outputs, as of inputs.").Also("--output_size") with { Check = CheckSize },
        OptionSpec.Many("--output-type", "numpy type of each output.").Also("--output_type"),
        OptionSpec.Many("--output-name", "Name of each output.").Also("--output_name"),
        OptionSpec.Many("--aux-config", "KEY=VALUE of the model's configuration, or a file with all of it.").Also("--aux_config"),
        OptionSpec.One("--name", "Name of the model; a regular expression between ^ and $."),
        OptionSpec.Many("--tags", "Tags of the model; any of them, -tag excludes."),
        OptionSpec.One("--project", "Project of the model."),
        OptionSpec.Flag("--published", "Published models only."),
        OptionSpec.Flag("--latest", "Also answer for the name without a version."),
    ];

    /// <summary>Reads the engine.</summary>
    /// <exception cref="CommandException">There is no such engine.</exception>
    public static string Engine(ParsedArguments arguments)
    {
        var engine = arguments.One("--engine")!;
        return Engines.Contains(engine)
            ? engine
            : throw new CommandException($"engine '{engine}' is not supported, choose from: {string.Join(", ", Engines)}");
    }

    /// <summary>Fills in the declared tensors.</summary>
    public static void ReadTensors(
        ParsedArguments arguments, string side, RepeatedField<ListValue> sizes, RepeatedField<string> types, RepeatedField<string> names)
    {
        sizes.AddRange(Sizes(arguments.Many($"--{side}-size")));
        types.AddRange(arguments.Many($"--{side}-type"));
        names.AddRange(arguments.Many($"--{side}-name"));
    }

    /// <summary>Reads the auxiliary configuration: the text of a file, or keys with values.</summary>
    public static Value? Auxiliary(ParsedArguments arguments)
    {
        var given = arguments.Many("--aux-config");
        if (given.Count == 0)
            return null;
        if (given.Count == 1 && File.Exists(given[0]))
            return Value.ForString(File.ReadAllText(given[0]));
        return HoconReader.Read(given);
    }

    /// <summary>Plain numbers are the dimensions of one tensor; lists are one tensor each.</summary>
    private static IEnumerable<ListValue> Sizes(IReadOnlyList<string> given)
    {
        if (given.Count == 0)
            return [];
        var elements = given.Select(text => JsonDocument.Parse(text).RootElement).ToList();
        if (elements.TrueForAll(element => element.ValueKind == JsonValueKind.Number))
            return [ToList(elements)];
        if (elements is [{ ValueKind: JsonValueKind.Array } only] && only.EnumerateArray().Any() &&
            only.EnumerateArray().All(item => item.ValueKind == JsonValueKind.Array))
            elements = [.. only.EnumerateArray()];
        return elements.Select(element => element.ValueKind == JsonValueKind.Array
            ? ToList(element.EnumerateArray())
            : ToList([element]));
    }

    private static ListValue ToList(IEnumerable<JsonElement> dims)
    {
        var list = new ListValue();
        list.Values.AddRange(dims.Select(dim => dim.ValueKind == JsonValueKind.Number
            ? Value.ForNumber(dim.GetDouble())
            : throw new CommandException($"a size has '{dim}' among its dimensions, which is no number")));
        return list;
    }

    private static string CheckSize(string value)
    {
        try
        {
            using var document = JsonDocument.Parse(value);
            if (document.RootElement.ValueKind is JsonValueKind.Number or JsonValueKind.Array)
                return value;
        }
        catch (JsonException)
        {
            // Told below.
        }

        throw new FormatException($"invalid loads value: '{value}'");
    }
}
