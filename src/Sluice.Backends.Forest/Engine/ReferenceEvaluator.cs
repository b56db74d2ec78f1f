using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Engine;

/// <summary>Follows the nodes one by one, in the order and precision of the library that made the model.</summary>
/// <remarks>It can do every model, and what the fast layouts are checked against. <b>Threads.</b> Any number.</remarks>
internal static class ReferenceEvaluator
{
    /// <summary>Makes a row fit: what counts as missing becomes NaN.</summary>
    public static void Normalise(TreeEnsemble forest, Span<double> row)
    {
        if (forest.ZeroIsMissing is not { } zeros)
            return;
        for (var i = 0; i < row.Length; i++)
        {
            if (zeros[i] && Math.Abs(row[i]) <= TreeEnsemble.ZeroBand)
                row[i] = double.NaN;
        }
    }

    /// <summary>Adds up the score of one row.</summary>
    /// <param name="forest">The model.</param>
    /// <param name="row">One value per feature, made fit.</param>
    /// <param name="from">First tree.</param>
    /// <param name="to">Behind the last tree.</param>
    /// <param name="score">One value per output; overwritten.</param>
    public static void Score(TreeEnsemble forest, ReadOnlySpan<double> row, int from, int to, Span<double> score)
    {
        forest.BaseMargin.CopyTo(score);
        if (forest.Linear is { } linear)
        {
            Score(linear, row, score);
            return;
        }

        if (forest.HasGaps)
            score.Fill(double.NaN);
        for (var i = from; i < to; i++)
        {
            var tree = forest.Trees[i];
            var leaf = Leaf(tree, row);
            for (var j = 0; j < tree.LeafWidth; j++)
            {
                ref var sum = ref score[tree.LeafWidth == 1 ? tree.Output : j];
                var value = LeafValue(tree, leaf, j, row);
                sum = forest.IsDouble
                    ? forest.Aggregate(sum, value)
                    : forest.Aggregate((float)sum, (float)value * (tree.Weight ?? 1f));
            }
        }
    }

    /// <summary>Finds the leaf that a row falls into.</summary>
    public static int Leaf(ForestTree tree, ReadOnlySpan<double> row)
    {
        var node = tree.Root;
        while (node >= 0)
        {
            var value = row[tree.Features[node]];
            var goesLeft = double.IsNaN(value) ? tree.DefaultLeft[node]
                : tree.Categories?[node] is { } set ? set.GoesLeft(value)
                : value <= tree.Thresholds[node];
            node = goesLeft ? tree.Left[node] : tree.Right[node];
        }

        return ~node;
    }

    /// <summary>Returns what a leaf adds to one output.</summary>
    public static double LeafValue(ForestTree tree, int leaf, int output, ReadOnlySpan<double> row) =>
        tree.LinearLeaves is { } leaves
            ? Linear(leaves[leaf], row, tree.LeafValues[leaf])
            : tree.LeafValues[(leaf * tree.LeafWidth) + output];

    private static double Linear(LinearLeaf leaf, ReadOnlySpan<double> row, double plain)
    {
        var sum = leaf.Constant;
        for (var i = 0; i < leaf.Features.Length; i++)
        {
            var value = row[leaf.Features[i]];
            if (double.IsNaN(value))
                return plain;
            if (Math.Abs(value) > TreeEnsemble.ZeroBand)
                sum += leaf.Coefficients[i] * value;
        }

        return sum;
    }

    /// <summary>Adds a linear booster to the scores that stand there.</summary>
    public static void Score(LinearBooster linear, ReadOnlySpan<double> row, Span<double> score)
    {
        for (var output = 0; output < score.Length; output++)
        {
            var sum = linear.Bias[output] + (float)score[output];
            for (var i = 0; i < row.Length; i++)
            {
                if (!double.IsNaN(row[i]))
                    sum += (float)row[i] * linear.Weights[(i * score.Length) + output];
            }

            score[output] = sum;
        }
    }
}
