using System.Globalization;

namespace Sluice.Backends.Forest.Formats.Documents;

/// <summary>A value of a document with its path, so that whatever is wrong can be named.</summary>
/// <remarks>Values are <c>Dictionary&lt;string, object?&gt;</c>, <c>double[]</c> (an array of numbers only), <c>List&lt;object?&gt;</c>
/// (any other array), <c>string</c>, <c>double</c>, <c>bool</c> or null.</remarks>
internal readonly record struct Field(object? Value, string Path)
{
    public Field this[string name] => TryGet(name) ?? throw Wrong($"has no '{name}'");

    public Field? TryGet(string name)
    {
        if (Value is not Dictionary<string, object?> members)
            throw Wrong("is not an object");
        return members.TryGetValue(name, out var value) ? new Field(value, $"{Path}.{name}") : null;
    }

    public string Text => Value as string ?? throw Wrong("is not a string");

    /// <summary>A number, or a string that holds one, as the library writes parameters.</summary>
    public double Number => Value switch
    {
        double number => number,
        bool flag => flag ? 1 : 0,
        string text when FormatNumber.TryParse(text, out var number) => number,
        _ => throw Wrong("is not a number"),
    };

    /// <summary>A whole number from 0 to a bound.</summary>
    public int Count(int most)
    {
        var number = Number;
        if (number < 0 || number > most || number != Math.Floor(number))
            throw Wrong($"is {number.ToString(CultureInfo.InvariantCulture)}, not a whole number from 0 to {most}");
        return (int)number;
    }

    public double[] Numbers => Value switch
    {
        double[] numbers => numbers,
        List<object?> { Count: 0 } => [],
        List<object?> items when items.TrueForAll(item => item is bool) => [.. items.Select(item => (bool)item! ? 1.0 : 0.0)],
        _ => throw Wrong("is not an array of numbers"),
    };

    public int[] Integers(double least, double most)
    {
        var numbers = Numbers;
        var integers = new int[numbers.Length];
        for (var i = 0; i < numbers.Length; i++)
        {
            var number = numbers[i];
            if (!(number >= least && number <= most) || number != Math.Floor(number))
            {
                throw Wrong($"[{i}] is {number.ToString(CultureInfo.InvariantCulture)}, not a whole number from "
                    + $"{least.ToString(CultureInfo.InvariantCulture)} to {most.ToString(CultureInfo.InvariantCulture)}");
            }

            integers[i] = (int)number;
        }

        return integers;
    }

    public IReadOnlyList<Field> Items
    {
        get
        {
            if (Value is double[] { Length: 0 })
                return [];
            if (Value is not List<object?> items)
                throw Wrong("is not an array");
            var path = Path;
            return [.. items.Select((item, i) => new Field(item, $"{path}[{i}]"))];
        }
    }

    public ForestFormatException Wrong(string reason) => new($"'{Path}' {reason}");
}
