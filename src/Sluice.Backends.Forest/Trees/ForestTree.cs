namespace Sluice.Backends.Forest.Trees;

/// <summary>One tree in one form for all libraries.</summary>
/// <remarks>
/// <para>Inner nodes are numbered from 0, in any order; a child below 0 is leaf <c>~child</c>. A numeric node goes left when
/// <c>value &lt;= threshold</c>; readers turn the other comparisons into this one exactly. NaN goes where
/// <see cref="DefaultLeft"/> says, always: readers turn the libraries' kinds of missing values into that as well.</para>
/// </remarks>
internal sealed class ForestTree
{
    /// <summary>The first node; below 0 for a tree of one leaf.</summary>
    public required int Root { get; init; }

    /// <summary>Column tested, by node.</summary>
    public required int[] Features { get; init; }

    /// <summary>By node; unused for categorical nodes.</summary>
    public required double[] Thresholds { get; init; }

    /// <summary>Child, by node.</summary>
    public required int[] Left { get; init; }

    /// <summary>Child, by node.</summary>
    public required int[] Right { get; init; }

    /// <summary>Where NaN goes, by node.</summary>
    public required bool[] DefaultLeft { get; init; }

    /// <summary>By node; null where the node is numeric, and for a tree without categorical nodes.</summary>
    public CategorySet?[]? Categories { get; init; }

    /// <summary>Leaf values, <see cref="LeafWidth"/> for each leaf.</summary>
    public required double[] LeafValues { get; init; }

    /// <summary>1, or the number of outputs for a tree whose leaves hold a vector.</summary>
    public int LeafWidth { get; init; } = 1;

    /// <summary>The output that a leaf of width 1 is added to.</summary>
    public int Output { get; init; }

    /// <summary>The library's own numbers of the leaves; null = theirs are ours.</summary>
    public int[]? LeafIds { get; init; }

    /// <summary>Factor of the leaves of a tree that was dropped and scaled (DART of XGBoost); null = none.</summary>
    public float? Weight { get; init; }

    /// <summary>Linear models in the leaves (LightGBM); null = none.</summary>
    public LinearLeaf[]? LinearLeaves { get; init; }

    /// <summary>Weight of the rows that came through each node in training, inner nodes first and leaves behind them, for
    /// feature contributions; null when the file does not say.</summary>
    public double[]? Cover { get; init; }

    /// <summary>Number of inner nodes.</summary>
    public int NodeCount => Features.Length;

    /// <summary>Number of leaves.</summary>
    public int LeafCount => LeafValues.Length / LeafWidth;

    /// <summary>Inner nodes on the longest path.</summary>
    public int Depth
    {
        get
        {
            var deepest = 0;
            var waiting = new Stack<(int Node, int Depth)>([(Root, 0)]);
            while (waiting.TryPop(out var place))
            {
                deepest = Math.Max(deepest, place.Depth);
                if (place.Node < 0)
                    continue;
                waiting.Push((Left[place.Node], place.Depth + 1));
                waiting.Push((Right[place.Node], place.Depth + 1));
            }

            return deepest;
        }
    }
}

/// <summary>The test of a categorical node: the value, cut to a whole number, is in a set or not.</summary>
/// <param name="Bits">The set, 32 categories a word.</param>
/// <param name="SetGoesLeft">Members go left and all others right; else the other way round.</param>
/// <param name="NegativeIsOutside">-0.5 is outside (XGBoost), else it counts as category 0 (LightGBM).</param>
internal sealed record CategorySet(uint[] Bits, bool SetGoesLeft, bool NegativeIsOutside)
{
    /// <summary>The set, rising, where its members are numbers that are compared as they are; null = <see cref="Bits"/>.</summary>
    public double[]? Values { get; init; }

    /// <summary>Tells whether a value, not NaN, goes left.</summary>
    public bool GoesLeft(double value) => Contains(value) == SetGoesLeft;

    private bool Contains(double value)
    {
        if (Values is not null)
            return Array.BinarySearch(Values, value) >= 0;
        if (value < 0 && (NegativeIsOutside || value <= -1))
            return false;
        if (value >= 32.0 * Bits.Length)
            return false;
        var category = (int)value;
        return (Bits[category >> 5] >> (category & 31) & 1) != 0;
    }
}

/// <summary>The linear model of one leaf: constant + Σ coefficient · value; the leaf's plain value when any value is NaN.</summary>
internal sealed record LinearLeaf(double Constant, int[] Features, double[] Coefficients);
