using System.Text;
using Sluice.Backends.Forest.Formats.Documents;
using Sluice.Backends.Forest.Formats.Exported;
using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Formats.CatBoost;

/// <summary>Makes a forest of what CatBoost exports as JSON: oblivious trees over numeric columns.</summary>
/// <remarks>Format: the library's tutorial on the JSON export. Every level of a tree makes one comparison; bit k of a leaf's number says
/// that the value of split k is above its border. Splits by categories are refused, since their hashes are not described there.</remarks>
internal static class CatBoostDocument
{
    private const int MaxFeatures = 1 << 24;
    private const int MaxOutputs = 1 << 16;
    private const int MaxDepth = 16;

    /// <summary>Tells whether a document is one of this library.</summary>
    public static bool IsCatBoost(object? root) => root is Dictionary<string, object?> members && !members.ContainsKey("learner")
        && (members.ContainsKey("oblivious_trees") || members.ContainsKey("features_info") || members.ContainsKey("scale_and_bias"));

    /// <exception cref="ForestFormatException">A field is missing or wrong, or tells of something that is not supported.</exception>
    public static TreeEnsemble Read(object? root)
    {
        var document = new Field(root, "model");
        if (document.TryGet("oblivious_trees") is not { } fields)
            throw new ForestFormatException("'model' has no 'oblivious_trees'; only symmetric trees are supported (grow_policy SymmetricTree)");
        var columns = ReadColumns(document["features_info"]);
        var (scale, bias) = ReadScale(document["scale_and_bias"]);
        var trees = fields.Items;
        var outputs = Math.Max(bias.Length, trees.Count > 0 ? Width(trees[0]) : 1);
        if (bias.Length != 1 && bias.Length != outputs)
            throw document["scale_and_bias"].Wrong($"has {bias.Length} values for {outputs} outputs");
        var info = document.TryGet("model_info");
        var loss = Inner(info?.TryGet("params"))?.TryGet("loss_function")?.TryGet("type")?.Text ?? "";
        return new TreeEnsemble
        {
            Source = $"CatBoost JSON {(info?.TryGet("catboost_version_info") is { Value: string version } ? version.Split('\n')[0] : "")}".TrimEnd(),
            FeatureCount = columns.Values.Select(column => column.Index).DefaultIfEmpty(-1).Max() + 1,
            OutputCount = outputs,
            Trees = [.. trees.Select(tree => ReadTree(tree, columns, outputs))],
            RoundStarts = [.. Enumerable.Range(0, trees.Count + 1)],
            BaseMargin = new double[outputs],
            IsDouble = true,
            Scaling = new Scaling(scale, bias.Length == outputs ? bias : [.. Enumerable.Repeat(bias[0], outputs)]),
            Transform = Transform.Identity,
            Probabilities = ProbabilitiesOf(loss),
            Labels = ReadLabels(Inner(info?.TryGet("class_params")), Math.Max(2, outputs), ProbabilitiesOf(loss) is not null),
            Objective = loss,
            FeatureNames = [.. columns.Values.OrderBy(column => column.Index).Select(column => column.Name)],
        };
    }

    private static Transform? ProbabilitiesOf(string loss) => loss switch
    {
        "Logloss" or "CrossEntropy" or "MultiClassOneVsAll" => new Transform(TransformKind.Sigmoid),
        "MultiClass" => new Transform(TransformKind.Softmax),
        _ => null,
    };

    /// <summary>Some releases write these objects as text.</summary>
    private static Field? Inner(Field? field) => field is { Value: string text } outer
        ? new Field(new JsonDocumentReader(Encoding.UTF8.GetBytes(text)).Read(), outer.Path) : field;

    /// <summary>Columns by their number among the numeric ones.</summary>
    private static Dictionary<int, Column> ReadColumns(Field info)
    {
        foreach (var kind in (string[])["categorical_features", "text_features", "embedding_features"])
        {
            if (info.TryGet(kind) is { Value: List<object?> { Count: > 0 } })
                throw info.Wrong($"has {kind}, which are not supported; only numeric columns are");
        }

        var columns = new Dictionary<int, Column>();
        foreach (var field in info["float_features"].Items)
        {
            var number = field["feature_index"].Count(MaxFeatures);
            var index = field.TryGet("flat_feature_index")?.Count(MaxFeatures) ?? number;
            var name = field.TryGet("feature_id") is { Value: string { Length: > 0 } text } ? text : $"{index}";
            var treatment = field.TryGet("nan_value_treatment")?.Text ?? "AsIs";
            if (treatment is not ("AsIs" or "AsFalse" or "AsTrue"))
                throw field.Wrong($"has nan_value_treatment '{treatment}'");
            if (!columns.TryAdd(number, new Column(index, name, treatment == "AsTrue")))
                throw field.Wrong($"is feature {number} once more");
        }

        return columns;
    }

    /// <summary>A number or a list of them for the bias.</summary>
    private static (double Scale, double[] Bias) ReadScale(Field field)
    {
        if (field.Value is double[] { Length: 2 } numbers)
            return (numbers[0], [numbers[1]]);
        if (field.Items is not [var scale, var bias])
            throw field.Wrong("is not a scale and a bias");
        var values = bias.Value is double one ? [one] : bias.Numbers;
        return values.Length is > 0 and <= MaxOutputs ? (scale.Number, values) : throw bias.Wrong($"has {values.Length} values");
    }

    private static int Width(Field tree)
    {
        var (leaves, values) = (1 << Depth(tree), tree["leaf_values"].Numbers.Length);
        return values > 0 && values % leaves == 0 && values / leaves <= MaxOutputs
            ? values / leaves : throw tree["leaf_values"].Wrong($"has {values} values for {leaves} leaves");
    }

    private static int Depth(Field tree)
    {
        var depth = Splits(tree).Count;
        return depth <= MaxDepth ? depth : throw tree.Wrong($"has {depth} levels; at most {MaxDepth} can be");
    }

    private static IReadOnlyList<Field> Splits(Field tree) => tree.TryGet("splits") is { Value: not null } splits ? splits.Items : [];

    private static ForestTree ReadTree(Field tree, Dictionary<int, Column> columns, int outputs)
    {
        var splits = Splits(tree);
        var depth = Depth(tree);
        if (Width(tree) != outputs)
            throw tree["leaf_values"].Wrong($"has {Width(tree)} values in a leaf for {outputs} outputs");
        var levels = splits.Select(split => ReadSplit(split, columns)).ToArray();
        var inner = (1 << depth) - 1;

        // Node n of a level goes on to 2n + 1 and 2n + 2; level k makes comparison k.
        var levelOf = Enumerable.Range(0, inner).Select(node => int.Log2(node + 1)).ToArray();
        int Child(int node)
        {
            if (node < inner)
                return node;
            var (path, leaf) = (node - inner, 0);
            for (var level = 0; level < depth; level++)
                leaf |= ((path >> (depth - 1 - level)) & 1) << level;
            return ~leaf;
        }

        var weights = tree.TryGet("leaf_weights")?.Numbers ?? [];
        var left = Enumerable.Range(0, inner).Select(node => Child((2 * node) + 1)).ToArray();
        var right = Enumerable.Range(0, inner).Select(node => Child((2 * node) + 2)).ToArray();
        return new ForestTree
        {
            Root = Child(0),
            Features = Array.ConvertAll(levelOf, level => levels[level].Column.Index),
            Thresholds = Array.ConvertAll(levelOf, level => levels[level].Border),
            Left = left,
            Right = right,
            DefaultLeft = Array.ConvertAll(levelOf, level => !levels[level].Column.MissingIsAbove),
            LeafValues = tree["leaf_values"].Numbers,
            LeafWidth = outputs,
            Cover = weights.Length == inner + 1 ? CoverOf(left, right, weights) : null,
        };
    }

    private static (Column Column, double Border) ReadSplit(Field split, Dictionary<int, Column> columns)
    {
        var kind = split.TryGet("split_type")?.Text ?? "FloatFeature";
        if (kind != "FloatFeature")
            throw split.Wrong($"is a {kind}; only splits of numeric columns are supported");
        var number = split["float_feature_index"].Count(MaxFeatures);
        if (!columns.TryGetValue(number, out var column))
            throw split.Wrong($"tests numeric column {number}, which features_info does not have");

        // Values and borders are in single precision.
        var border = (float)split["border"].Number;
        return float.IsNaN(border) ? throw split.Wrong("compares with NaN") : (column, ExportedForest.BeforeRounding(border));
    }

    private static double[] CoverOf(int[] left, int[] right, double[] weights)
    {
        var cover = new double[left.Length + weights.Length];
        weights.CopyTo(cover, left.Length);
        for (var node = left.Length - 1; node >= 0; node--)
        {
            foreach (var child in (ReadOnlySpan<int>)[left[node], right[node]])
                cover[node] += cover[child < 0 ? left.Length + ~child : child];
        }

        return cover;
    }

    private static ClassLabels? ReadLabels(Field? parameters, int count, bool isClassifier)
    {
        if (!isClassifier || parameters?.TryGet("class_names") is not { } names)
            return null;
        var labels = names.Value switch
        {
            double[] numbers when Array.TrueForAll(numbers, number => number == Math.Floor(number) && Math.Abs(number) < 1L << 53) =>
                new ClassLabels { Numbers = Array.ConvertAll(numbers, number => (long)number) },
            double[] numbers => new ClassLabels { Texts = Array.ConvertAll(numbers, number => number.ToString("R", System.Globalization.CultureInfo.InvariantCulture)) },
            _ => new ClassLabels { Texts = [.. names.Items.Select(name => name.Text)] },
        };
        return labels.Count == 0 ? null : labels.Count == count ? labels : throw names.Wrong($"has {labels.Count} names for {count} classes");
    }

    private sealed record Column(int Index, string Name, bool MissingIsAbove);
}
