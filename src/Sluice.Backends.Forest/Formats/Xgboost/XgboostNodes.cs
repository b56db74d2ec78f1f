using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Formats.Xgboost;

/// <summary>A tree as XGBoost keeps it, inner nodes and leaves under one number; turned into our form.</summary>
internal sealed class XgboostNodes(int count, int featureCount, int outputCount, string path)
{
    /// <summary>Categories above are invalid for the library.</summary>
    public const int MaxCategory = (1 << 24) - 1;

    /// <summary>-1 in a leaf.</summary>
    public required int[] Left { get; init; }

    public required int[] Right { get; init; }

    public required int[] Features { get; init; }

    /// <summary>Thresholds of inner nodes, values of leaves.</summary>
    public required double[] Conditions { get; init; }

    public required bool[] DefaultLeft { get; init; }

    public double[]? Cover { get; init; }

    public CategorySet?[]? Categories { get; init; }

    /// <summary>Values of a leaf by its node; null for leaves of one value.</summary>
    public Func<int, double[]>? LeafVector { get; init; }

    /// <summary>A set whose members go right, and everything else left.</summary>
    public static CategorySet Set(ReadOnlySpan<int> categories)
    {
        var most = 0;
        foreach (var category in categories)
            most = Math.Max(most, category);
        var bits = new uint[(most / 32) + 1];
        foreach (var category in categories)
            bits[category >> 5] |= 1u << (category & 31);
        return new CategorySet(bits, SetGoesLeft: false, NegativeIsOutside: true);
    }

    /// <summary>Checks that it is a tree, and numbers inner nodes and leaves apart, both in the order of the file.</summary>
    public ForestTree ToTree(int group, float? weight)
    {
        if (count == 0)
            throw new ForestFormatException($"'{path}' has no nodes");
        var numbers = new int[count];
        var (inner, leaves) = Number(numbers);
        foreach (var node in inner)
        {
            // A categorical node has no threshold, and the library writes NaN for it.
            if (Categories?[node] is not null)
                continue;
            if (double.IsNaN(Conditions[node]))
                throw new ForestFormatException($"'{path}': node {node} compares with NaN");
            if (float.IsNegativeInfinity((float)Conditions[node]))
                throw new ForestFormatException($"'{path}': node {node} compares with -infinity, which no value is below");
        }

        var width = LeafVector is null ? 1 : outputCount;
        var tree = new ForestTree
        {
            Root = numbers[0],
            Features = Array.ConvertAll(inner, node => Features[node]),

            // x < t is x <= the number below t.
            Thresholds = Array.ConvertAll(inner, node => (double)MathF.BitDecrement((float)Conditions[node])),
            Left = Array.ConvertAll(inner, node => numbers[Left[node]]),
            Right = Array.ConvertAll(inner, node => numbers[Right[node]]),
            DefaultLeft = Array.ConvertAll(inner, node => DefaultLeft[node]),
            Categories = Categories is null ? null : Array.ConvertAll(inner, node => Categories[node]),
            LeafValues = LeafVector is null
                ? Array.ConvertAll(leaves, node => Leaf(node, weight))
                : [.. leaves.SelectMany(node => LeafVector(node)).Select(value => (double)(float)value)],
            LeafWidth = width,
            LeafIds = leaves,
            Output = group,
            Weight = weight,
            Cover = Cover is null ? null : [.. inner.Concat(leaves).Select(node => Cover[node])],
        };
        if (tree.Features.Any(feature => feature >= featureCount))
            throw new ForestFormatException($"'{path}' tests a feature past the model's {featureCount}");
        return tree;
    }

    /// <summary>A tree with a factor is added up from 0 before the factor, which makes 0 of -0.</summary>
    private double Leaf(int node, float? weight) => weight is null ? (float)Conditions[node] : (float)Conditions[node] + 0f;

    /// <summary>Numbers what can be reached from the root; a node with two parents, or none but deleted, is a fault.</summary>
    private (int[] Inner, int[] Leaves) Number(int[] numbers)
    {
        var isSeen = new bool[count];
        var waiting = new Stack<int>([0]);
        isSeen[0] = true;
        while (waiting.TryPop(out var node))
        {
            if (Left[node] < 0)
                continue;
            foreach (var child in (ReadOnlySpan<int>)[Left[node], Right[node]])
            {
                if (child < 0 || child >= count || isSeen[child])
                    throw new ForestFormatException($"'{path}': child {child} of node {node} is outside the tree or has two parents");
                isSeen[child] = true;
                waiting.Push(child);
            }
        }

        List<int> inner = [], leaves = [];
        for (var node = 0; node < count; node++)
        {
            if (!isSeen[node])
                continue;
            if (Left[node] < 0)
            {
                numbers[node] = ~leaves.Count;
                leaves.Add(node);
            }
            else
            {
                numbers[node] = inner.Count;
                inner.Add(node);
            }
        }

        return ([.. inner], [.. leaves]);
    }
}
