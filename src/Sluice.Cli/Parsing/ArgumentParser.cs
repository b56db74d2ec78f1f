using System.Globalization;

namespace Sluice.Cli.Parsing;

/// <summary>Reads a command line as the original's parser does: long options, any unambiguous beginning of their names, negative
/// numbers as values. Global options may stand anywhere.</summary>
internal sealed class ArgumentParser(CommandSpec root, IReadOnlyList<OptionSpec> globals)
{
    /// <summary>Asks for help; every command has it.</summary>
    public static readonly OptionSpec Help = OptionSpec.Flag("--help", "Show this and end.").Also("-h");

    /// <summary>Reads a command line.</summary>
    /// <exception cref="UsageException">It is wrong.</exception>
    public ParsedArguments Parse(IReadOnlyList<string> arguments)
    {
        var command = root;
        var values = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        for (var i = 0; i < arguments.Count;)
        {
            var word = arguments[i++];
            if (IsOption(word))
            {
                var (option, inline) = Find(command, word);
                values[option.Name] = TakeValues(command, option, inline, arguments, ref i);
            }
            else if (command.Commands.Count > 0)
            {
                command = command.Commands.FirstOrDefault(sub => sub.Name == word) ?? throw new UsageException(
                    command,
                    $"invalid choice: '{word}' (choose from {string.Join(", ", command.Commands.Select(sub => $"'{sub.Name}'"))})");
            }
            else if (command.Positional is { } positional && !values.ContainsKey(positional.Name))
            {
                values[positional.Name] = [word];
            }
            else
            {
                throw new UsageException(command, $"unrecognized arguments: {word}");
            }
        }

        if (!values.ContainsKey(Help.Name) && command.Run is not null)
            CheckRequired(command, values);
        return new ParsedArguments(command, values);
    }

    private static void CheckRequired(CommandSpec command, Dictionary<string, IReadOnlyList<string>> values)
    {
        var missing = command.Options.Append(command.Positional).OfType<OptionSpec>()
            .Where(option => option.IsRequired && !values.ContainsKey(option.Name)).Select(option => option.Name).Distinct().ToList();
        if (missing.Count > 0)
            throw new UsageException(command, $"the following arguments are required: {string.Join(", ", missing)}");
    }

    private static bool IsOption(string word) => word.StartsWith("--", StringComparison.Ordinal) || word is "-h" or "-f";

    /// <summary>A word that begins with one dash is a value: a negative number, or a tag to leave out.</summary>
    private static bool IsValue(string word) => !IsOption(word);

    private (OptionSpec Option, string? Inline) Find(CommandSpec command, string word)
    {
        var equals = word.IndexOf('=', StringComparison.Ordinal);
        var name = equals < 0 ? word : word[..equals];
        var inline = equals < 0 ? null : word[(equals + 1)..];
        OptionSpec[] known = [.. command.Options, .. globals, Help];
        var exact = Array.Find(known, option => option.Names.Contains(name));
        if (exact is not null)
            return (exact, inline);
        var begun = Array.FindAll(known, option => option.Names.Any(
            candidate => name.Length > 2 && candidate.StartsWith(name, StringComparison.Ordinal)));
        return begun.Length switch
        {
            1 => (begun[0], inline),
            0 => throw new UsageException(command, $"unrecognized arguments: {word}"),
            _ => throw new UsageException(
                command, $"ambiguous option: {name} could match {string.Join(", ", begun.Select(option => option.Name))}"),
        };
    }

    private static List<string> TakeValues(
        CommandSpec command, OptionSpec option, string? inline, IReadOnlyList<string> arguments, ref int at)
    {
        var values = new List<string>();
        if (option.Arity == OptionArity.Flag)
            return inline is null ? values : throw Wrong(command, option, $"ignored explicit argument '{inline}'");
        if (inline is not null)
            values.Add(inline);
        while (at < arguments.Count && IsValue(arguments[at]) && (option.Arity == OptionArity.Many ? inline is null : values.Count == 0))
            values.Add(arguments[at++]);
        if (values.Count == 0)
            throw Wrong(command, option, option.Arity == OptionArity.One ? "expected one argument" : "expected at least one argument");
        try
        {
            return values.ConvertAll(value => option.Check(value));
        }
        catch (FormatException error)
        {
            throw Wrong(command, option, error.Message);
        }
    }

    private static UsageException Wrong(CommandSpec command, OptionSpec option, string what) =>
        new(command, $"argument {option.Name}: {what}");

    /// <summary>A check for options that take a number.</summary>
    public static string Number(string value) =>
        double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)
            ? value
            : throw new FormatException($"invalid float value: '{value}'");

    /// <summary>A check for options that take a whole number.</summary>
    public static string WholeNumber(string value) =>
        int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _)
            ? value
            : throw new FormatException($"invalid int value: '{value}'");
}
