using System.Globalization;
using System.Text;
using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Formats.LightGbm;

/// <summary>Reads LightGBM's text format, versions 2 to 4: lines of <c>key=value</c>, a block for each tree.</summary>
/// <remarks>Source: <c>GBDT::LoadModelFromString</c> and <c>Tree::Tree(const char*)</c> of the library.</remarks>
internal static class LightGbmText
{
    private const int MaxFeatures = 1 << 24;
    private const int MaxOutputs = 1 << 16;

    /// <exception cref="ForestFormatException">A line is missing or wrong.</exception>
    public static TreeEnsemble Read(ReadOnlySpan<byte> file)
    {
        var header = new LightGbmBlock("the header");
        var blocks = new List<LightGbmBlock>();
        var block = header;
        var isDone = false;
        foreach (var range in file.Split((byte)'\n'))
        {
            var line = file[range].TrimEnd((byte)'\r');
            if (line.StartsWith("Tree="u8))
            {
                block = new LightGbmBlock(Encoding.UTF8.GetString(line));
                blocks.Add(block);
            }
            else if (line.SequenceEqual("end of trees"u8))
            {
                isDone = true;
                break;
            }
            else
            {
                block.Add(line);
            }
        }

        if (!isDone)
            throw new ForestFormatException($"the file ends within {block.Name}: there is no line 'end of trees'");
        return Build(header, blocks);
    }

    private static TreeEnsemble Build(LightGbmBlock header, List<LightGbmBlock> blocks)
    {
        var outputs = Math.Max(1, header.Count("num_tree_per_iteration", MaxOutputs));
        var features = header.Count("max_feature_idx", MaxFeatures) + 1;
        if (header.TryGet("tree_sizes") is { } sizes && sizes.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length != blocks.Count)
            throw new ForestFormatException($"the file has {blocks.Count} trees, and tree_sizes names {sizes.Split(' ').Length}");
        var objective = header.TryGet("objective") ?? "";
        var readers = blocks.ConvertAll(block => new LightGbmTree(block, features));
        var trees = readers.Select((reader, i) => reader.Read(i % outputs)).ToArray();
        var zeros = new bool[features];
        foreach (var reader in readers)
            reader.MarkZeros(zeros);
        foreach (var reader in readers)
            reader.CheckZeros(zeros);
        return new TreeEnsemble
        {
            Source = $"LightGBM text {header.TryGet("version") ?? ""}".TrimEnd(),
            FeatureCount = features,
            OutputCount = outputs,
            Trees = trees,
            RoundStarts = TreeEnsemble.EqualRounds(trees, outputs),
            BaseMargin = new double[outputs],
            IsDouble = true,
            Transform = TransformOf(objective),
            AveragesRounds = header.Has("average_output"),
            ZeroIsMissing = Array.Exists(zeros, zero => zero) ? zeros : null,
            Objective = objective,
            FeatureNames = header.TryGet("feature_names")?.Split(' ') ?? [],
        };
    }

    /// <summary>Reads a line such as <c>binary sigmoid:1</c>.</summary>
    private static Transform TransformOf(string objective)
    {
        var words = objective.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var scale = 1.0;
        foreach (var word in words.Where(word => word.StartsWith("sigmoid:", StringComparison.Ordinal)))
        {
            if (!FormatNumber.TryParse(word["sigmoid:".Length..], out scale))
                throw new ForestFormatException($"'{word}' of the objective is not a number");
        }

        return words.FirstOrDefault() switch
        {
            null or "custom" or "none" or "null" or "na" => Transform.Identity,
            "regression" or "regression_l2" or "l2" when words.Contains("sqrt") => new Transform(TransformKind.SignedSquare),
            "regression" or "regression_l2" or "l2" or "regression_l1" or "l1" or "huber" or "fair" or "quantile" or "mape"
                or "lambdarank" or "rank_xendcg" => Transform.Identity,
            "poisson" or "gamma" or "tweedie" => new Transform(TransformKind.Exp),
            "binary" or "multiclassova" => new Transform(TransformKind.Sigmoid, scale),
            "cross_entropy" or "xentropy" => new Transform(TransformKind.Sigmoid),
            "cross_entropy_lambda" or "xentlambda" => new Transform(TransformKind.LogOnePlusExp),
            "multiclass" => new Transform(TransformKind.Softmax),
            var name => throw new ForestFormatException($"the objective '{name}' is not known"),
        };
    }
}

/// <summary>Lines of one part of the file, by key.</summary>
internal sealed class LightGbmBlock(string name)
{
    private readonly Dictionary<string, string> _lines = new(StringComparer.Ordinal);

    public string Name { get; } = name;

    public void Add(ReadOnlySpan<byte> line)
    {
        if (line.IsEmpty)
            return;
        var split = line.IndexOf((byte)'=');
        var key = Encoding.UTF8.GetString(split < 0 ? line : line[..split]);
        _lines.TryAdd(key, split < 0 ? "" : Encoding.UTF8.GetString(line[(split + 1)..]));
    }

    public bool Has(string key) => _lines.ContainsKey(key);

    public string? TryGet(string key) => _lines.GetValueOrDefault(key);

    public int Count(string key, int most)
    {
        var text = Get(key);
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count <= most
            ? count
            : throw new ForestFormatException($"{Name}: '{key}' is '{text}', not a whole number from 0 to {most}");
    }

    /// <summary>Reads as many numbers as there have to be.</summary>
    public double[] Numbers(string key, int count) => Parse<double>(key, count, static text =>
        FormatNumber.TryParse(text, out var number) ? number : ParseSpecial(text));

    /// <summary>Reads as many whole numbers as there have to be.</summary>
    public int[] Integers(string key, int count) => Parse<int>(key, count, static text =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : null);

    /// <summary>Reads words of bits.</summary>
    public uint[] Words(string key, int count) => Parse<uint>(key, count, static text =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null);

    private static double? ParseSpecial(string text) => text switch
    {
        "inf" => double.PositiveInfinity,
        "-inf" => double.NegativeInfinity,
        "nan" or "-nan" => double.NaN,
        _ => null,
    };

    private string Get(string key) => TryGet(key) ?? throw new ForestFormatException($"{Name}: there is no line '{key}'");

    private T[] Parse<T>(string key, int count, Func<string, T?> parse)
        where T : struct
    {
        var texts = Get(key).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (texts.Length != count)
            throw new ForestFormatException($"{Name}: '{key}' has {texts.Length} values, not {count}");
        return Array.ConvertAll(
            texts, text => parse(text) ?? throw new ForestFormatException($"{Name}: '{text}' in '{key}' is not a number"));
    }
}
