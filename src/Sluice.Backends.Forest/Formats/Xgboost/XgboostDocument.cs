using Sluice.Backends.Forest.Formats.Documents;
using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Formats.Xgboost;

/// <summary>Makes a forest of the document that XGBoost 1.x to 3.x saves as JSON or UBJSON.</summary>
/// <remarks>Schema: <c>doc/model.schema</c> of the library. What changed from release to release is told by the fields that
/// are there, not by the version.</remarks>
internal static class XgboostDocument
{
    private const int MaxFeatures = 1 << 24;
    private const int MaxOutputs = 1 << 16;

    /// <exception cref="ForestFormatException">A field is missing or wrong.</exception>
    public static TreeEnsemble Read(object? root)
    {
        var document = new Field(root, "model");
        var learner = document["learner"];
        var shared = learner["learner_model_param"];
        var objective = learner["objective"]["name"].Text;
        var outputs = Math.Max(
            Math.Max(1, shared["num_class"].Count(MaxOutputs)), shared.TryGet("num_target")?.Count(MaxOutputs) ?? 1);
        var features = shared["num_feature"].Count(MaxFeatures);
        var booster = learner["gradient_booster"];
        var baseMargin = BaseMargin(shared["base_score"], objective, outputs);
        var version = VersionOf(document);
        var names = learner.TryGet("feature_names") is { Value: List<object?> list } ? list.OfType<string>().ToArray() : [];
        var common = new TreeEnsemble
        {
            Source = version is null ? "XGBoost 1.0 or older" : $"XGBoost {version}",
            FeatureCount = features,
            OutputCount = outputs,
            Trees = [],
            RoundStarts = [0],
            BaseMargin = baseMargin,
            IsDouble = false,
            Transform = XgboostObjective.TransformOf(objective, version ?? new Version(1, 0)),
            Objective = objective,
            FeatureNames = names,
        };
        return booster["name"].Text switch
        {
            "gblinear" => ReadLinear(booster["model"], common),
            "dart" when booster.TryGet("gbtree") is { } inner => ReadTrees(inner["model"], booster["weight_drop"].Numbers, common),
            "gbtree" or "dart" => ReadTrees(booster["model"], booster["model"].TryGet("weight_drop")?.Numbers, common),
            var name => throw new ForestFormatException($"the booster '{name}' is not known"),
        };
    }

    /// <summary>A number, or since 3.x an array of them in a string.</summary>
    private static double[] BaseMargin(Field field, string objective, int outputs)
    {
        var numbers = field.Value is double[] array ? array : Array.ConvertAll(
            field.Value is string text ? text.Trim('[', ']', ' ').Split(',') : ["?"],
            one => FormatNumber.TryParse(one, out var number) ? number : throw field.Wrong("is not a number or a list of numbers"));
        if (numbers.Length != 1 && numbers.Length != outputs)
            throw field.Wrong($"has {numbers.Length} values for {outputs} outputs");
        var margins = new float[outputs];
        for (var i = 0; i < outputs; i++)
            margins[i] = (float)numbers[numbers.Length == 1 ? 0 : i];
        XgboostObjective.ToMargins(objective, margins);
        return Array.ConvertAll(margins, margin => (double)margin);
    }

    private static Version? VersionOf(Field document) =>
        document.TryGet("version")?.Integers(0, ushort.MaxValue) is [var major, var minor, var patch, ..] ? new Version(major, minor, patch) : null;

    private static TreeEnsemble ReadLinear(Field model, TreeEnsemble common)
    {
        var weights = model["weights"].Numbers;
        var expected = ((long)common.FeatureCount + 1) * common.OutputCount;
        if (weights.Length != expected)
            throw model["weights"].Wrong($"has {weights.Length} values, not {expected}");

        // This booster adds the first base score to every output.
        var margin = new double[common.OutputCount];
        Array.Fill(margin, common.BaseMargin[0]);
        var floats = Array.ConvertAll(weights, weight => (float)weight);
        var split = common.FeatureCount * common.OutputCount;
        return common with { BaseMargin = margin, Linear = new LinearBooster(floats[..split], floats[split..]) };
    }

    private static TreeEnsemble ReadTrees(Field model, double[]? weights, TreeEnsemble common)
    {
        var fields = model["trees"].Items;
        var groups = model["tree_info"].Integers(0, common.OutputCount - 1);
        if (groups.Length != fields.Count)
            throw model["tree_info"].Wrong($"has {groups.Length} entries for {fields.Count} trees");
        if (weights is not null && weights.Length != fields.Count)
            throw model.Wrong($"has {weights.Length} weights for {fields.Count} trees");
        var trees = new ForestTree[fields.Count];
        for (var i = 0; i < trees.Length; i++)
        {
            var reader = new XgboostTree(fields[i], common.FeatureCount, common.OutputCount);
            trees[i] = reader.Read(groups[i], weights is null ? null : (float)weights[i]);
        }

        return common with { Trees = trees, RoundStarts = Rounds(model, trees, common.OutputCount) };
    }

    private static int[] Rounds(Field model, ForestTree[] trees, int outputs)
    {
        if (model.TryGet("iteration_indptr") is { } starts)
        {
            var rounds = starts.Integers(0, trees.Length);
            if (rounds.Length == 0 || rounds[0] != 0 || rounds[^1] != trees.Length || rounds.Zip(rounds.Skip(1)).Any(pair => pair.First > pair.Second))
                throw starts.Wrong($"does not divide {trees.Length} trees into rounds");
            return rounds;
        }

        var parallel = Math.Max(1, model["gbtree_model_param"].TryGet("num_parallel_tree")?.Count(int.MaxValue) ?? 1);
        return TreeEnsemble.EqualRounds(trees, (long)parallel * (trees.Length > 0 && trees[0].LeafWidth > 1 ? 1 : outputs));
    }
}
