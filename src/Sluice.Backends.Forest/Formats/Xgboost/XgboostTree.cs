using Sluice.Backends.Forest.Formats.Documents;
using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Formats.Xgboost;

/// <summary>One tree of the document: arrays by node, inner nodes and leaves mixed.</summary>
internal sealed class XgboostTree(Field tree, int featureCount, int outputCount)
{
    /// <summary>Reads it.</summary>
    /// <param name="group">The output of scalar leaves.</param>
    /// <param name="weight">Factor of the leaves; null = none.</param>
    public ForestTree Read(int group, float? weight)
    {
        var left = tree["left_children"].Integers(-1, int.MaxValue);
        var count = left.Length;
        var right = Sized("right_children", count).Integers(-1, int.MaxValue);
        var nodes = new XgboostNodes(count, featureCount, outputCount, tree.Path)
        {
            Left = left,
            Right = right,
            Features = Sized("split_indices", count).Integers(0, Math.Max(0, featureCount - 1)),
            Conditions = Sized("split_conditions", count).Numbers,
            DefaultLeft = Array.ConvertAll(Sized("default_left", count).Numbers, flag => flag != 0),
            Cover = tree.TryGet("sum_hessian") is { } cover ? Sized("sum_hessian", count).Numbers : null,
            Categories = ReadCategories(count),
            LeafVector = LeafVectors(left, right),
        };
        return nodes.ToTree(group, weight);
    }

    private Field Sized(string name, int count)
    {
        var field = tree[name];
        return field.Numbers.Length == count ? field : throw field.Wrong($"has {field.Numbers.Length} values for {count} nodes");
    }

    /// <summary>Vectors of the leaves: row of each leaf, or null for scalar leaves.</summary>
    private Func<int, double[]>? LeafVectors(int[] left, int[] right)
    {
        var width = tree["tree_param"].TryGet("size_leaf_vector")?.Count(outputCount) ?? 1;
        if (width <= 1)
            return null;
        if (width != outputCount)
            throw tree.Wrong($"has leaves of {width} values for {outputCount} outputs");

        // 3.x keeps the leaves' own weights, and in a leaf its row of them in place of the right child.
        var isOwn = tree.TryGet("leaf_weights") is not null;
        var values = tree[isOwn ? "leaf_weights" : "base_weights"];
        var numbers = values.Numbers;
        return node =>
        {
            var row = isOwn ? right[node] : node;
            if (row < 0 || ((long)row + 1) * width > numbers.Length)
                throw values.Wrong($"has no row {row}, which leaf {node} of {left.Length} nodes names");
            return numbers[(row * width)..((row + 1) * width)];
        };
    }

    private CategorySet?[]? ReadCategories(int count)
    {
        if (tree.TryGet("categories_nodes") is not { } field || field.Numbers.Length == 0)
            return null;
        var nodes = field.Integers(0, count - 1);
        var categories = tree["categories"];
        var values = categories.Integers(0, XgboostNodes.MaxCategory);
        var starts = Sized("categories_segments", nodes.Length).Integers(0, values.Length);
        var sizes = Sized("categories_sizes", nodes.Length).Integers(0, values.Length);
        var sets = new CategorySet?[count];
        for (var i = 0; i < nodes.Length; i++)
        {
            if ((long)starts[i] + sizes[i] > values.Length)
                throw categories.Wrong($"ends before the set of node {nodes[i]}");
            sets[nodes[i]] = XgboostNodes.Set(values.AsSpan(starts[i], sizes[i]));
        }

        return sets;
    }
}
