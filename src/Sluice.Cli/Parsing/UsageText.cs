namespace Sluice.Cli.Parsing;

/// <summary>Prints usage and help.</summary>
internal static class UsageText
{
    private const int NameWidth = 30;

    public static void WriteUsage(TextWriter output, string program, CommandSpec command)
    {
        var words = command.Path.Length == 0 ? program : $"{program} {command.Path}";
        var options = command.Options.Select(option => option.IsRequired ? Form(option) : $"[{Form(option)}]");
        var rest = command.Commands.Count > 0 ? [$"{{{string.Join(',', command.Commands.Select(sub => sub.Name))}}} ..."] : options;
        var value = OnlyPositional(command) is { } positional ? $" {positional.Placeholder}" : "";
        output.WriteLine($"usage: {words} [-h] {string.Join(' ', rest)}".TrimEnd() + value);
    }

    public static void WriteHelp(TextWriter output, string program, CommandSpec command, IReadOnlyList<OptionSpec> globals)
    {
        WriteUsage(output, program, command);
        output.WriteLine();
        output.WriteLine(command.Help);
        if (command.Commands.Count > 0)
        {
            output.WriteLine();
            output.WriteLine("commands:");
            foreach (var sub in command.Commands)
                output.WriteLine($"  {sub.Name.PadRight(NameWidth)} {sub.Help}");
        }

        if (OnlyPositional(command) is { } positional)
            WriteOptions(output, "value", [positional with { Names = [positional.Placeholder], Arity = OptionArity.Flag }]);
        WriteOptions(output, "options", command.Options);
        WriteOptions(output, "options of all commands, before or after them", globals);
        if (command.Examples.Count == 0)
            return;
        output.WriteLine();
        output.WriteLine("examples:");
        foreach (var example in command.Examples)
            output.WriteLine($"  {program} {example}");
    }

    /// <summary>The value that has no option beside it.</summary>
    private static OptionSpec? OnlyPositional(CommandSpec command) =>
        command.Positional is { } positional && !command.Options.Contains(positional) ? positional : null;

    private static void WriteOptions(TextWriter output, string title, IReadOnlyList<OptionSpec> options)
    {
        if (options.Count == 0)
            return;
        output.WriteLine();
        output.WriteLine(title + ":");
        foreach (var option in options)
            output.WriteLine($"  {Form(option).PadRight(NameWidth)} {option.Help}");
    }

    private static string Form(OptionSpec option) => option.Arity switch
    {
        OptionArity.Flag => option.Name,
        OptionArity.One => $"{option.Name} {option.Placeholder}",
        _ => $"{option.Name} {option.Placeholder} [{option.Placeholder} ...]",
    };
}
