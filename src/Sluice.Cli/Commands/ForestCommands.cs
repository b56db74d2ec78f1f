using Sluice.Cli.Parsing;

namespace Sluice.Cli.Commands;

/// <summary><c>forest</c>: model files of tree ensembles, without a server.</summary>
internal static class ForestCommands
{
    private const int NameWidth = 38;

    private static readonly OptionSpec File = OptionSpec.One("file", "The model file.", isRequired: true);

    public static CommandSpec Group { get; } = new("forest", "Look into model files of tree ensembles; needs no server.")
    {
        Commands =
        [
            new("inspect", "Show a model's trees, features and objective, how it is laid out here, and what a row, loading and memory cost.")
            {
                Path = "forest inspect",
                Positional = File,
                Examples =
                [
                    "forest inspect models/risk/1/xgboost.ubj",
                    "--json forest inspect model.txt | jq .batch_row_us",
                ],
                Run = InspectAsync,
            },
        ],
    };

    private static Task<int> InspectAsync(CommandContext context)
    {
        var path = context.Arguments.One(File.Name)!;
        if (context.Forests is not { } forests)
            throw new CommandException("this program has no engine for tree ensembles");
        var facts = Inspect(forests, path);
        foreach (var fact in facts)
            context.Output.Line($"{fact.Name.PadRight(NameWidth)} {fact.Text}");
        context.Output.Json(json =>
        {
            json.WriteStartObject();
            foreach (var fact in facts)
            {
                if (fact.Number is { } number)
                    json.WriteNumber(fact.Key, number);
                else
                    json.WriteString(fact.Key, fact.Text);
            }

            json.WriteEndObject();
        });
        return Task.FromResult(0);
    }

    private static IReadOnlyList<ForestFact> Inspect(IForestInspector forests, string path)
    {
        try
        {
            return forests.Inspect(path);
        }
        catch (InvalidDataException error)
        {
            throw new CommandException($"'{path}' cannot be read: {error.Message}");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"'{path}' cannot be opened: {error.Message}");
        }
    }
}
