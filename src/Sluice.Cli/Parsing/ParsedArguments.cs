using System.Globalization;

namespace Sluice.Cli.Parsing;

/// <summary>What the command line says, in the options' first spellings.</summary>
/// <param name="Command">The verb.</param>
/// <param name="Values">Values by option; a flag that is there has none.</param>
internal sealed record ParsedArguments(CommandSpec Command, IReadOnlyDictionary<string, IReadOnlyList<string>> Values)
{
    public bool Has(string option) => Values.ContainsKey(option);

    /// <summary>The value; null when the option is not there.</summary>
    public string? One(string option) => Values.TryGetValue(option, out var values) ? values[^1] : null;

    /// <summary>The values; empty when the option is not there.</summary>
    public IReadOnlyList<string> Many(string option) => Values.TryGetValue(option, out var values) ? values : [];

    public double? Number(string option) => One(option) is { } text ? double.Parse(text, CultureInfo.InvariantCulture) : null;
}
