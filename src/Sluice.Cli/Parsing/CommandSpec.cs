namespace Sluice.Cli.Parsing;

/// <summary>One verb with its options, or a group of verbs.</summary>
/// <param name="Name">Last word; empty for the program.</param>
/// <param name="Help">One sentence.</param>
internal sealed record CommandSpec(string Name, string Help)
{
    /// <summary>All words, such as <c>model add</c>.</summary>
    public string Path { get; init; } = Name;

    public IReadOnlyList<OptionSpec> Options { get; init; } = [];

    public IReadOnlyList<CommandSpec> Commands { get; init; } = [];

    /// <summary>Name of a value that may stand without an option; null = none may.</summary>
    public OptionSpec? Positional { get; init; }

    /// <summary>Command lines to copy, without the program's name.</summary>
    public IReadOnlyList<string> Examples { get; init; } = [];

    /// <summary>Does the work; returns the exit code. Null for a group.</summary>
    public Func<CommandContext, Task<int>>? Run { get; init; }
}
