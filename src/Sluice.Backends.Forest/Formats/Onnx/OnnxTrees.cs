using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Formats.Onnx;

/// <summary>How an inner node compares the value x with its own v; true leads to the true branch.</summary>
internal enum OnnxMode
{
    LessOrEqual,
    Less,
    GreaterOrEqual,
    Greater,
    Equal,
    NotEqual,
    Member,
}

/// <summary>Nodes of a tree operator in one form for all its versions, turned into our trees.</summary>
/// <param name="outputs">Targets or classes.</param>
/// <param name="isDouble">Comparisons and sums are in double precision.</param>
internal sealed class OnnxTrees(int outputs, bool isDouble)
{
    private const long MostLeafValues = 1 << 27;

    private readonly Dictionary<int, List<(int Output, double Weight)>> _weights = [];
    private readonly HashSet<(int Node, int Output)> _weighted = [];

    // Of all trees: no node is in two of them, or in one twice.
    private readonly HashSet<int> _isSeen = [];
    private long _leafValues;

    /// <summary>Column tested, by node; -1 in a leaf.</summary>
    public required int[] Features { get; init; }

    public required OnnxMode[] Modes { get; init; }

    public required double[] Values { get; init; }

    /// <summary>Node where the comparison is true.</summary>
    public required int[] True { get; init; }

    public required int[] False { get; init; }

    public required bool[] MissingIsTrue { get; init; }

    /// <summary>Sets of <see cref="OnnxMode.Member"/> nodes.</summary>
    public Dictionary<int, double[]> Members { get; } = [];

    /// <summary>Adds what a leaf gives to an output.</summary>
    public void AddWeight(int node, int output, double weight)
    {
        if (Features[node] >= 0)
            throw new ForestFormatException($"node {node} has a weight and is no leaf");
        if (!_weights.TryGetValue(node, out var weights))
            _weights[node] = weights = [];
        if (!_weighted.Add((node, output)))
            throw new ForestFormatException($"leaf {node} has two weights for output {output}");
        weights.Add((output, isDouble ? weight : (float)weight));
    }

    /// <summary>Makes the tree below a node.</summary>
    public ForestTree Build(int root)
    {
        var (inner, leaves) = Walk(root);
        var numbers = new Dictionary<int, int>(inner.Count + leaves.Count);
        for (var i = 0; i < inner.Count; i++)
            numbers[inner[i]] = i;
        for (var i = 0; i < leaves.Count; i++)
            numbers[leaves[i]] = ~i;
        var tests = inner.ConvertAll(Test);
        var only = OnlyOutput(leaves);
        _leafValues += only is null ? (long)leaves.Count * outputs : leaves.Count;
        if (_leafValues > MostLeafValues)
            throw new ForestFormatException($"the leaves have more than {MostLeafValues} values for {outputs} outputs");
        return new ForestTree
        {
            Root = numbers[root],
            Features = [.. inner.Select(node => Features[node])],
            Thresholds = [.. tests.Select(test => test.Threshold)],
            Left = [.. inner.Select((node, i) => numbers[tests[i].TrueIsLeft ? True[node] : False[node]])],
            Right = [.. inner.Select((node, i) => numbers[tests[i].TrueIsLeft ? False[node] : True[node]])],

            // NaN differs from everything, so it meets 'not equal'; else it meets nothing, unless the node says so.
            DefaultLeft = [.. inner.Select((node, i) => tests[i].TrueIsLeft == (MissingIsTrue[node] || Modes[node] == OnnxMode.NotEqual))],
            Categories = tests.Exists(test => test.Set is not null) ? [.. tests.Select(test => test.Set)] : null,
            LeafValues = only is null
                ? [.. leaves.SelectMany(Vector)]
                : [.. leaves.Select(leaf => _weights.TryGetValue(leaf, out var weights) ? weights[0].Weight : 0)],
            LeafWidth = only is null ? outputs : 1,
            Output = only ?? 0,
        };
    }

    /// <summary>The output that all leaves give to, when it is one and each of them does.</summary>
    private int? OnlyOutput(List<int> leaves)
    {
        if (outputs == 1)
            return 0;
        var found = leaves.ConvertAll(leaf => _weights.GetValueOrDefault(leaf));
        if (found[0] is not [var (output, _)])
            return null;
        return found.TrueForAll(weights => weights is [var (other, _)] && other == output) ? output : null;
    }

    /// <summary>What a leaf gives to each output; NaN where it has no weight, which is not the same as 0 to base values and labels.</summary>
    private double[] Vector(int leaf)
    {
        var vector = new double[outputs];
        Array.Fill(vector, double.NaN);
        foreach (var (output, weight) in _weights.GetValueOrDefault(leaf) ?? [])
            vector[output] = weight;
        return vector;
    }

    private (List<int> Inner, List<int> Leaves) Walk(int root)
    {
        var (inner, leaves) = (new List<int>(), new List<int>());
        if (!_isSeen.Add(root))
            throw new ForestFormatException($"node {root} is in two trees");
        var waiting = new Queue<int>([root]);
        while (waiting.TryDequeue(out var node))
        {
            if (Features[node] < 0)
            {
                leaves.Add(node);
                continue;
            }

            inner.Add(node);
            foreach (var child in (ReadOnlySpan<int>)[True[node], False[node]])
            {
                if (!_isSeen.Add(child))
                    throw new ForestFormatException($"node {child} has two parents");
                waiting.Enqueue(child);
            }
        }

        return (inner, leaves);
    }

    /// <summary>Turns a comparison into <c>x &lt;= threshold</c> or into a set of values.</summary>
    private (double Threshold, bool TrueIsLeft, CategorySet? Set) Test(int node)
    {
        var value = isDouble ? Values[node] : (float)Values[node];
        if (double.IsNaN(value) && Modes[node] != OnnxMode.Member)
            throw new ForestFormatException($"node {node} compares with NaN");
        if (double.IsNegativeInfinity(value) && Modes[node] is OnnxMode.Less or OnnxMode.GreaterOrEqual)
            throw new ForestFormatException($"node {node} compares with -infinity, which no value is below");
        return Modes[node] switch
        {
            OnnxMode.LessOrEqual => (value, true, null),
            OnnxMode.Less => (Below(value), true, null),
            OnnxMode.GreaterOrEqual => (Below(value), false, null),
            OnnxMode.Greater => (value, false, null),
            OnnxMode.Equal => (0, true, Set([value])),
            OnnxMode.NotEqual => (0, false, Set([value])),
            _ => (0, true, Set(Members[node])),
        };
    }

    private double Below(double value) => isDouble ? double.BitDecrement(value) : float.BitDecrement((float)value);

    private static CategorySet Set(double[] values) =>
        new([], SetGoesLeft: true, NegativeIsOutside: false) { Values = [.. values.Distinct().Order()] };
}
