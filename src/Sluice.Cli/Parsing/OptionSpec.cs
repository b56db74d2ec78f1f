namespace Sluice.Cli.Parsing;

/// <summary>How many values an option takes.</summary>
internal enum OptionArity
{
    /// <summary>None: it is there or not.</summary>
    Flag,

    /// <summary>One; the last one given counts.</summary>
    One,

    /// <summary>One or more; of several times given the last counts.</summary>
    Many,
}

/// <summary>One option of a command.</summary>
/// <param name="Names">With dashes; the first is shown, the others are other spellings.</param>
/// <param name="Arity">How many values.</param>
/// <param name="Help">One sentence.</param>
internal sealed record OptionSpec(string[] Names, OptionArity Arity, string Help)
{
    /// <summary>The name that is shown.</summary>
    public string Name => Names[0];

    /// <summary>The command cannot do without it.</summary>
    public bool IsRequired { get; init; }

    /// <summary>Brings a value into its usual form; throws <see cref="FormatException"/> with what is wrong.</summary>
    public Func<string, string> Check { get; init; } = value => value;

    /// <summary>What stands for the value in the usage.</summary>
    public string Placeholder => Name.TrimStart('-').Replace('-', '_').ToUpperInvariant();

    public static OptionSpec Flag(string name, string help) => new([name], OptionArity.Flag, help);

    public static OptionSpec One(string name, string help, bool isRequired = false) =>
        new([name], OptionArity.One, help) { IsRequired = isRequired };

    public static OptionSpec Many(string name, string help) => new([name], OptionArity.Many, help);

    /// <summary>Adds another spelling.</summary>
    public OptionSpec Also(params string[] names) => this with { Names = [.. Names, .. names] };
}
