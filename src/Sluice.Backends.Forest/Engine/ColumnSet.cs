using System.Numerics;
using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Engine;

/// <summary>The values that a forest's nodes compare: the features that are used at all, and one column for each categorical
/// test, 0 where it goes left and 1 where it goes right.</summary>
/// <remarks>With the tests made once per row every node is a comparison with a number. <b>Threads.</b> Immutable.</remarks>
internal sealed class ColumnSet
{
    private readonly Dictionary<int, int> _numeric = [];
    private readonly Dictionary<(int Feature, CategorySet Set), int> _tests = new(new ByContent());
    private readonly List<Column> _columns = [];
    private readonly bool _areFeatures;
    private readonly double[][] _thresholds;
    private readonly int[] _features;
    private readonly int _width;
    private readonly bool _hasSpecial;

    public ColumnSet(TreeEnsemble forest)
    {
        var thresholds = new List<HashSet<double>>();
        foreach (var tree in forest.Trees)
        {
            for (var node = 0; node < tree.NodeCount; node++)
            {
                var column = Add(forest, tree, node);
                if (column == thresholds.Count)
                    thresholds.Add([]);
                thresholds[column].Add(ThresholdOf(tree, node));
            }
        }

        // In the order of the features, so that the rows of most models are their columns already.
        var order = Enumerable.Range(0, _columns.Count).OrderBy(i => _columns[i].Feature).ToArray();
        _columns = [.. order.Select(i => _columns[i])];
        _thresholds = [.. order.Select(i => thresholds[i].Order().ToArray())];
        _features = [.. _columns.Select(column => column.Feature)];
        var places = new int[order.Length];
        for (var i = 0; i < order.Length; i++)
            places[order[i]] = i;
        Renumber(_numeric, places);
        Renumber(_tests, places);
        _width = _features.Length == 0 ? 0 : _features[^1] + 1;
        _hasSpecial = _columns.Exists(column => column.IsSpecial);
        _areFeatures = !_hasSpecial && _width == _features.Length;
    }

    /// <summary>Number of columns.</summary>
    public int Count => _columns.Count;

    /// <summary>Returns the column that a node compares.</summary>
    public int Of(ForestTree tree, int node) => tree.Categories?[node] is { } set
        ? _tests[(tree.Features[node], set)]
        : _numeric[tree.Features[node]];

    /// <summary>Returns what a node compares its column with.</summary>
    public static double ThresholdOf(ForestTree tree, int node) =>
        tree.Categories?[node] is null ? tree.Thresholds[node] : 0;

    /// <summary>Returns the different thresholds of a column in rising order.</summary>
    public double[] Thresholds(int column) => _thresholds[column];

    /// <summary>Rows of that width are their columns.</summary>
    public bool AreRows(int width) => _areFeatures && width == _width;

    /// <summary>Tells whether any value is missing.</summary>
    public static bool IsAnyMissing<T>(ReadOnlySpan<T> values)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        while (values.Length >= Vector<T>.Count)
        {
            var some = new Vector<T>(values);
            if (!Vector.EqualsAll(some, some))
                return true;
            values = values[Vector<T>.Count..];
        }

        foreach (var value in values)
        {
            if (T.IsNaN(value))
                return true;
        }

        return false;
    }

    /// <summary>Fills the columns of one row.</summary>
    /// <param name="row">One value per feature; columns past its end are missing.</param>
    /// <param name="columns">One value per column.</param>
    /// <returns>True when any is missing.</returns>
    public bool Fill<T>(ReadOnlySpan<T> row, Span<T> columns)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (_hasSpecial || row.Length < _width)
            return FillSlowly(row, columns);
        var isAnyMissing = false;
        var features = _features.AsSpan(0, columns.Length);
        for (var i = 0; i < columns.Length; i++)
        {
            var value = row[features[i]];
            isAnyMissing |= T.IsNaN(value);
            columns[i] = value;
        }

        return isAnyMissing;
    }

    private bool FillSlowly<T>(ReadOnlySpan<T> row, Span<T> columns)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var isAnyMissing = false;
        for (var i = 0; i < columns.Length; i++)
        {
            var column = _columns[i];
            var value = column.Feature < row.Length ? row[column.Feature] : T.NaN;
            if (column.IsSpecial)
                value = Special(column, value);
            isAnyMissing |= T.IsNaN(value);
            columns[i] = value;
        }

        return isAnyMissing;
    }

    private static void Renumber<TKey>(Dictionary<TKey, int> numbers, int[] places)
        where TKey : notnull
    {
        foreach (var (key, number) in numbers.ToArray())
            numbers[key] = places[number];
    }

    private static T Special<T>(in Column column, T value)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (T.IsNaN(value))
            return value;
        if (column.Set is { } set)
            return set.GoesLeft(double.CreateTruncating(value)) ? T.Zero : T.One;
        return T.Abs(value) <= T.CreateTruncating(TreeEnsemble.ZeroBand) ? T.NaN : value;
    }

    private int Add(TreeEnsemble forest, ForestTree tree, int node)
    {
        var feature = tree.Features[node];
        var set = tree.Categories?[node];
        ref var index = ref set is null
            ? ref System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(_numeric, feature, out var isKnown)
            : ref System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(_tests, (feature, set), out isKnown);
        if (isKnown)
            return index;
        index = _columns.Count;
        _columns.Add(new Column(feature, set, set is null && forest.ZeroIsMissing?[feature] == true));
        return index;
    }

    /// <summary>One value that nodes compare.</summary>
    /// <param name="Feature">Where it comes from.</param>
    /// <param name="Set">The categorical test that it is the result of; null = the number itself.</param>
    /// <param name="ZeroIsMissing">Values next to zero are missing.</param>
    private readonly record struct Column(int Feature, CategorySet? Set, bool ZeroIsMissing)
    {
        public bool IsSpecial => ZeroIsMissing || Set is not null;
    }

    private sealed class ByContent : IEqualityComparer<(int Feature, CategorySet Set)>
    {
        public bool Equals((int Feature, CategorySet Set) x, (int Feature, CategorySet Set) y) =>
            x.Feature == y.Feature && x.Set.SetGoesLeft == y.Set.SetGoesLeft &&
            x.Set.NegativeIsOutside == y.Set.NegativeIsOutside && x.Set.Bits.AsSpan().SequenceEqual(y.Set.Bits)
            && x.Set.Values.AsSpan().SequenceEqual(y.Set.Values);

        public int GetHashCode((int Feature, CategorySet Set) key)
        {
            var hash = default(HashCode);
            hash.Add(key.Feature);
            foreach (var word in key.Set.Bits)
                hash.Add(word);
            foreach (var value in key.Set.Values ?? [])
                hash.Add(value);
            return hash.ToHashCode();
        }
    }
}
