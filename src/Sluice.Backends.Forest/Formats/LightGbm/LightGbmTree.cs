using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Formats.LightGbm;

/// <summary>One <c>Tree=</c> block of the file.</summary>
internal sealed class LightGbmTree
{
    private const int Categorical = 1;
    private const int DefaultsLeft = 2;
    private const int MaxLeaves = 1 << 24;

    private readonly LightGbmBlock _block;
    private readonly int _featureCount;
    private readonly int _leafCount;
    private readonly int[] _features;
    private readonly int[] _decisions;

    public LightGbmTree(LightGbmBlock block, int featureCount)
    {
        _block = block;
        _featureCount = featureCount;
        _leafCount = block.Count("num_leaves", MaxLeaves);
        if (_leafCount == 0)
            throw new ForestFormatException($"{block.Name}: it has no leaves");
        var inner = _leafCount - 1;
        _features = inner == 0 ? [] : block.Integers("split_feature", inner);
        _decisions = inner == 0 ? [] : block.Integers("decision_type", inner);
        if (Array.Exists(_features, feature => feature < 0 || feature >= featureCount))
            throw new ForestFormatException($"{block.Name}: a split tests a feature past the model's {featureCount}");
    }

    private enum Missing
    {
        None = 0,
        Zero = 1,
        NaN = 2,
    }

    /// <summary>Reads it as the tree of an output.</summary>
    public ForestTree Read(int output)
    {
        var inner = _leafCount - 1;
        var (left, right) = inner == 0 ? ([], []) : (_block.Integers("left_child", inner), _block.Integers("right_child", inner));
        Check(left, right);
        var thresholds = inner == 0 ? [] : _block.Numbers("threshold", inner);
        if (Array.FindIndex(thresholds, double.IsNaN) is >= 0 and var unordered)
            throw new ForestFormatException($"{_block.Name}: node {unordered} compares with NaN");
        return new ForestTree
        {
            Root = inner == 0 ? ~0 : 0,
            Features = _features,
            Thresholds = [.. thresholds.Select((threshold, node) => IsNumeric(node) ? PastZeros(threshold) : threshold)],
            Left = left,
            Right = right,
            DefaultLeft = [.. Enumerable.Range(0, inner).Select(node => GoesLeftWithoutValue(node, thresholds[node]))],
            Categories = ReadCategories(thresholds),
            LeafValues = _block.Numbers("leaf_value", _leafCount),
            Output = output,
            LinearLeaves = ReadLinear(),
            Cover = ReadCover(inner),
        };
    }

    /// <summary>Notes the features whose zeros are missing values.</summary>
    public void MarkZeros(bool[] zeros)
    {
        for (var node = 0; node < _features.Length; node++)
        {
            if (IsNumeric(node) && MissingOf(node) == Missing.Zero)
                zeros[_features[node]] = true;
        }
    }

    /// <summary>The library tells a feature's kind of missing value once for all trees.</summary>
    public void CheckZeros(bool[] zeros)
    {
        for (var node = 0; node < _features.Length; node++)
        {
            if (IsNumeric(node) && zeros[_features[node]] && MissingOf(node) != Missing.Zero)
                throw new ForestFormatException($"{_block.Name}: feature {_features[node]} has two kinds of missing values");
        }
    }

    private bool IsNumeric(int node) => (_decisions[node] & Categorical) == 0;

    private Missing MissingOf(int node) => (Missing)(_decisions[node] >> 2 & 3);

    /// <summary>The threshold that sends what is next to zero where zero goes: the library makes it zero before it predicts (<c>src/c_api.cpp</c>).</summary>
    private static double PastZeros(double threshold) => threshold switch
    {
        >= -TreeEnsemble.ZeroBand and < 0 => double.BitDecrement(-TreeEnsemble.ZeroBand),
        >= 0 and <= TreeEnsemble.ZeroBand => TreeEnsemble.ZeroBand,
        _ => threshold,
    };

    private bool GoesLeftWithoutValue(int node, double threshold)
    {
        // An unknown category goes right; a number that must not be missing counts as zero.
        if (!IsNumeric(node))
            return false;
        return MissingOf(node) == Missing.None ? 0.0 <= threshold : (_decisions[node] & DefaultsLeft) != 0;
    }

    private void Check(int[] left, int[] right)
    {
        var isSeen = new bool[_leafCount + left.Length];
        foreach (var child in left.Concat(right))
        {
            var index = child < 0 ? left.Length + ~child : child;
            if ((uint)index >= (uint)isSeen.Length || index == 0 || isSeen[index])
                throw new ForestFormatException($"{_block.Name}: child {child} is outside the tree or has two parents");
            isSeen[index] = true;
        }
    }

    private CategorySet?[]? ReadCategories(double[] thresholds)
    {
        var count = _block.TryGet("num_cat") is null ? 0 : _block.Count("num_cat", MaxLeaves);
        if (count == 0)
            return null;
        var bounds = _block.Integers("cat_boundaries", count + 1);
        if (bounds[0] != 0 || bounds[^1] < 0 || bounds.Zip(bounds.Skip(1)).Any(pair => pair.First > pair.Second))
            throw new ForestFormatException($"{_block.Name}: 'cat_boundaries' does not rise from 0");
        var words = _block.Words("cat_threshold", bounds[^1]);
        return [.. thresholds.Select((threshold, node) =>
        {
            if (IsNumeric(node))
                return null;
            if (!(threshold >= 0 && threshold < count))
                throw new ForestFormatException($"{_block.Name}: node {node} names set {threshold} of {count}");
            return new CategorySet(words[bounds[(int)threshold]..bounds[(int)threshold + 1]], SetGoesLeft: true, NegativeIsOutside: false);
        })];
    }

    private LinearLeaf[]? ReadLinear()
    {
        if (_block.TryGet("is_linear") is null or "0")
            return null;
        var constants = _block.Numbers("leaf_const", _leafCount);
        var counts = _block.Integers("num_features", _leafCount);
        if (Array.Exists(counts, count => count < 0 || count > _featureCount))
            throw new ForestFormatException($"{_block.Name}: a leaf has more features than the model");
        var features = _block.Integers("leaf_features", counts.Sum());
        var coefficients = _block.Numbers("leaf_coeff", counts.Sum());
        if (Array.Exists(features, feature => feature < 0 || feature >= _featureCount))
            throw new ForestFormatException($"{_block.Name}: a leaf reads a feature past the model's {_featureCount}");
        var start = 0;
        var leaves = new LinearLeaf[_leafCount];
        for (var leaf = 0; leaf < _leafCount; leaf++)
        {
            var end = start + counts[leaf];
            leaves[leaf] = new LinearLeaf(constants[leaf], features[start..end], coefficients[start..end]);
            start = end;
        }

        return leaves;
    }

    private double[]? ReadCover(int inner)
    {
        if (inner == 0 || _block.TryGet("internal_count") is null || _block.TryGet("leaf_count") is null)
            return null;
        return [.. _block.Numbers("internal_count", inner), .. _block.Numbers("leaf_count", _leafCount)];
    }
}
