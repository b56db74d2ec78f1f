using System.Text.RegularExpressions;
using Sluice.Inference;

namespace Sluice.Control.Registry;

/// <summary>Selects by name: exactly, or by a regular expression when it stands between ^ and $.</summary>
internal sealed class NameFilter
{
    private readonly Regex? _expression;

    public NameFilter(string? name)
    {
        if (name is not ['^', .., '$'])
        {
            Exact = name;
            return;
        }

        try
        {
            // In linear time, whatever is asked for.
            _expression = new Regex(name, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            throw InferenceException.Invalid($"the model name '{name}' is no valid regular expression: {error.Message}");
        }
    }

    /// <summary>The only name that fits; null = see <see cref="Accepts"/>.</summary>
    public string? Exact { get; }

    public bool Accepts(string name) => _expression is null || _expression.IsMatch(name);
}
