using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Formats.Onnx;

/// <summary>Reads the attributes of the tree operators of <c>ai.onnx.ml</c>: TreeEnsembleRegressor and TreeEnsembleClassifier
/// (versions 1 and 3), TreeEnsemble (version 5).</summary>
internal sealed class OnnxTreeNode(OnnxNode node, bool isDouble)
{
    private const int MaxOutputs = 1 << 16;
    private const int MaxFeatures = 1 << 24;
    private static readonly string[] Modes =
        ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];

    private static readonly string[] Aggregations = ["AVERAGE", "SUM", "MIN", "MAX"];
    private static readonly string[] Transforms = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"];

    public bool IsClassifier => node.Operator == "TreeEnsembleClassifier";

    /// <summary>Reads the forest; names, types and the number of columns are the graph's.</summary>
    public TreeEnsemble Read(string source, int? featureCount)
    {
        var isNew = node.Operator == "TreeEnsemble";
        var labels = ReadLabels();
        var outputs = labels?.Count ?? Count("n_targets", MaxOutputs);
        if (outputs < (IsClassifier ? 2 : 1))
            throw node.Wrong($"it has {outputs} {(IsClassifier ? "classes; use the onnxruntime backend" : "targets")}");
        var aggregation = isNew
            ? Choose("aggregate_function", Aggregations, (int)Math.Clamp(node.Integer("aggregate_function", 1), -1, 99))
            : Choose("aggregate_function", Aggregations, Array.IndexOf(Aggregations, node.Text("aggregate_function", "SUM")));
        var transform = isNew
            ? Choose("post_transform", Transforms, (int)Math.Clamp(node.Integer("post_transform", 0), -1, 99))
            : Choose("post_transform", Transforms, Array.IndexOf(Transforms, node.Text("post_transform", "NONE")));
        var (trees, weighted, arePositive) = isNew ? ReadVersion5(outputs) : ReadVersion1(outputs);
        var features = featureCount ?? trees.SelectMany(tree => tree.Features).DefaultIfEmpty(-1).Max() + 1;
        if (trees.Any(tree => tree.Features.Any(feature => feature >= features)))
            throw node.Wrong($"a node tests a feature past the input's {features}");
        var bases = Either("base_values").Select(value => isDouble ? value : (float)value).ToArray();
        if (bases.Length != 0 && bases.Length != outputs && !(outputs == 2 && IsClassifier && bases.Length == 1))
            throw node.Wrong($"base_values has {bases.Length} values for {outputs} outputs");
        return new TreeEnsemble
        {
            Source = source,
            FeatureCount = features,
            OutputCount = outputs,
            Trees = trees,
            RoundStarts = TreeEnsemble.EqualRounds(trees, 1),
            BaseMargin = new double[outputs],
            IsDouble = isDouble,
            Aggregation = (Aggregation)aggregation,
            HasGaps = Aggregations[aggregation] is "MIN" or "MAX" || trees.Any(tree => Array.Exists(tree.LeafValues, double.IsNaN)),
            Transform = Transform.Identity,
            Objective = $"{node.Operator} {Transforms[transform]}",
            Labels = labels,
            Onnx = new OnnxScores(bases, (OnnxTransform)transform, IsClassifier)
            {
                IsBinary = IsClassifier && outputs == 2 && weighted.Count == 1,
                ArePositive = arePositive,
                IsScored = [.. Enumerable.Range(0, outputs).Select(output => trees.Any(tree => tree.LeafWidth > 1 || tree.Output == output))],
            },
        };
    }

    private (ForestTree[] Trees, HashSet<int> Weighted, bool ArePositive) ReadVersion1(int outputs)
    {
        var treeIds = node.Integers("nodes_treeids");
        var count = treeIds.Count;
        if (count == 0)
            throw node.Wrong("it has no nodes");
        var nodeIds = Sized("nodes_nodeids", count);
        var indexes = new Dictionary<(long Tree, long Node), int>(count);
        for (var i = 0; i < count; i++)
        {
            if (!indexes.TryAdd((treeIds[i], nodeIds[i]), i))
                throw node.Wrong($"tree {treeIds[i]} has node {nodeIds[i]} twice");
        }

        var modes = node.Texts("nodes_modes");
        if (modes.Count != count)
            throw node.Wrong($"nodes_modes has {modes.Count} values for {count} nodes");
        int Find(long tree, long id) => indexes.TryGetValue((tree, id), out var index)
            ? index : throw node.Wrong($"tree {tree} has no node {id}");
        int[] Children(string name)
        {
            var ids = Sized(name, count);
            return [.. Enumerable.Range(0, count).Select(i => modes[i] == "LEAF" ? 0 : Find(treeIds[i], ids[i]))];
        }

        var features = Sized("nodes_featureids", count);
        var tracks = node.Integers("nodes_missing_value_tracks_true");
        var values = Either("nodes_values");
        if (values.Count != count)
            throw node.Wrong($"nodes_values has {values.Count} values for {count} nodes");
        var trees = new OnnxTrees(outputs, isDouble)
        {
            Features = [.. Enumerable.Range(0, count).Select(i => modes[i] == "LEAF" ? -1 : Feature(features[i]))],
            Modes = [.. modes.Select(mode => mode == "LEAF" ? default : (OnnxMode)Choose("nodes_modes", Modes, Array.IndexOf(Modes, mode)))],
            Values = [.. values],
            True = Children("nodes_truenodeids"),
            False = Children("nodes_falsenodeids"),
            MissingIsTrue = [.. Enumerable.Range(0, count).Select(i => i < tracks.Count && tracks[i] == 1)],
        };
        var kind = IsClassifier ? "class" : "target";
        var leafTrees = node.Integers($"{kind}_treeids");
        var leafNodes = Sized($"{kind}_nodeids", leafTrees.Count);
        var leafOutputs = Sized($"{kind}_ids", leafTrees.Count);
        var weights = Either($"{kind}_weights");
        if (weights.Count != leafTrees.Count)
            throw node.Wrong($"{kind}_weights has {weights.Count} values, {kind}_treeids {leafTrees.Count}");
        for (var i = 0; i < weights.Count; i++)
        {
            if (leafOutputs[i] < 0 || leafOutputs[i] >= outputs)
                throw node.Wrong($"{kind}_ids names {leafOutputs[i]} of {outputs}");
            trees.AddWeight(Find(leafTrees[i], leafNodes[i]), (int)leafOutputs[i], weights[i]);
        }

        // The first node of a tree is its root, and trees are added up in the order of their first nodes.
        var roots = Enumerable.Range(0, count).Where(i => i == 0 || treeIds[i] != treeIds[i - 1]).ToList();
        if (roots.Select(i => treeIds[i]).Distinct().Count() != roots.Count)
            throw node.Wrong("the nodes of a tree do not stand together");
        return ([.. roots.Select(trees.Build)], [.. leafOutputs.Select(output => (int)output)], weights.TrueForAll(weight => weight >= 0));
    }

    private (ForestTree[] Trees, HashSet<int> Weighted, bool ArePositive) ReadVersion5(int outputs)
    {
        var features = node.Integers("nodes_featureids");
        var count = features.Count;
        var leafOutputs = node.Integers("leaf_targetids");
        var weights = node.Numbers("leaf_weights");
        if (weights.Count != leafOutputs.Count)
            throw node.Wrong($"leaf_weights has {weights.Count} values, leaf_targetids {leafOutputs.Count}");
        var modes = Sized("nodes_modes", count);
        var splits = node.Numbers("nodes_splits");
        if (splits.Count != count)
            throw node.Wrong($"nodes_splits has {splits.Count} values for {count} nodes");
        var tracks = node.Integers("nodes_missing_value_tracks_true");
        int[] Children(string ids, string areLeaves)
        {
            var (numbers, leaves) = (Sized(ids, count), Sized(areLeaves, count));
            return [.. numbers.Select((id, i) => id >= 0 && id < (leaves[i] != 0 ? weights.Count : count)
                ? (int)id + (leaves[i] != 0 ? count : 0) : throw node.Wrong($"{ids}[{i}] is {id}, which is past the end"))];
        }

        var none = new int[weights.Count];
        var trees = new OnnxTrees(outputs, isDouble)
        {
            Features = [.. features.Select(Feature), .. none.Select(_ => -1)],
            Modes = [.. modes.Select(mode => mode is >= 0 and <= (long)OnnxMode.Member
                ? (OnnxMode)mode : throw node.Wrong($"nodes_modes names {mode}")), .. none.Select(_ => default(OnnxMode))],
            Values = [.. splits, .. none],
            True = [.. Children("nodes_truenodeids", "nodes_trueleafs"), .. none],
            False = [.. Children("nodes_falsenodeids", "nodes_falseleafs"), .. none],
            MissingIsTrue = [.. Enumerable.Range(0, count + weights.Count).Select(i => i < tracks.Count && tracks[i] == 1)],
        };
        AddMembers(trees, modes);
        for (var i = 0; i < weights.Count; i++)
        {
            if (leafOutputs[i] < 0 || leafOutputs[i] >= outputs)
                throw node.Wrong($"leaf_targetids names {leafOutputs[i]} of {outputs}");
            trees.AddWeight(count + i, (int)leafOutputs[i], weights[i]);
        }

        // A tree that is one leaf comes as a node both of whose branches are that leaf.
        var roots = node.Integers("tree_roots").Select(root => root >= 0 && root < count
            ? trees.True[root] == trees.False[root] && trees.True[root] >= count ? trees.True[root] : (int)root
            : throw node.Wrong($"tree_roots names node {root} of {count}"));
        return ([.. roots.Select(trees.Build)], [], true);
    }

    /// <summary>Sets of values stand behind one another, each ended by NaN.</summary>
    /// <remarks>A value is a member when it equals one, as the specification has it. ONNX Runtime 1.30 cuts values to whole numbers first
    /// where a member is negative or above 30.</remarks>
    private void AddMembers(OnnxTrees trees, List<long> modes)
    {
        var values = node.Numbers("membership_values");
        var at = 0;
        for (var i = 0; i < modes.Count; i++)
        {
            if (modes[i] != (long)OnnxMode.Member)
                continue;
            var end = at;
            while (end < values.Count && !double.IsNaN(values[end]))
                end++;
            trees.Members[i] = [.. values[at..end].Select(value => isDouble ? value : (float)value)];
            at = Math.Min(values.Count, end + 1);
        }
    }

    private ClassLabels? ReadLabels()
    {
        if (!IsClassifier)
            return null;
        var (texts, numbers) = (node.Texts("classlabels_strings"), node.Integers("classlabels_int64s"));
        return texts.Count > 0 ? new ClassLabels { Texts = [.. texts] } : new ClassLabels { Numbers = [.. numbers] };
    }

    private int Feature(long feature) => feature is >= 0 and < MaxFeatures ? (int)feature : throw node.Wrong($"a node tests feature {feature}");

    private int Count(string name, int most)
    {
        var count = node.Integer(name, name == "n_targets" ? 1 : 0);
        return count >= 0 && count <= most ? (int)count : throw node.Wrong($"{name} is {count}");
    }

    private List<long> Sized(string name, int count)
    {
        var values = node.Integers(name);
        return values.Count == count ? values : throw node.Wrong($"{name} has {values.Count} values, not {count}");
    }

    /// <summary>An attribute, or its double in double precision.</summary>
    private List<double> Either(string name) => node.Has($"{name}_as_tensor") ? node.Numbers($"{name}_as_tensor") : node.Numbers(name);

    private int Choose(string attribute, string[] known, int index) => index >= 0 && index < known.Length
        ? index : throw node.Wrong($"{attribute} is none of {string.Join(", ", known)}");
}
