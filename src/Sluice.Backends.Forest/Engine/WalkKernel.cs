using System.Numerics;
using System.Runtime.CompilerServices;
using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Engine;

/// <summary>Follows the nodes of four trees in turns, without branches, so that the memory's latency of one is hidden behind the
/// others. Runs on every machine and takes every forest.</summary>
internal sealed unsafe class WalkKernel<T> : IForestKernel<T>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private const int Lanes = 4;

    private readonly AlignedArray<Node> _nodes;
    private readonly AlignedArray<int> _children;
    private readonly int[] _roots;
    private readonly int[] _depths;
    private readonly int[] _leafOf;
    private readonly int _columnCount;

    public WalkKernel(TreeEnsemble forest, ColumnSet columns)
    {
        var count = forest.Trees.Sum(tree => tree.NodeCount + tree.LeafCount);
        _nodes = new AlignedArray<Node>(count);
        _children = new AlignedArray<int>(2 * count);
        _leafOf = new int[count];
        _roots = new int[forest.Trees.Length];
        _depths = new int[forest.Trees.Length];
        _columnCount = columns.Count;
        Leaves = [.. Enumerable.Range(0, forest.Trees.Sum(tree => tree.LeafCount))];
        var (next, firstLeaf) = (0, 0);
        for (var i = 0; i < forest.Trees.Length; i++)
        {
            Place(forest.Trees[i], i, columns, next, firstLeaf);
            next += forest.Trees[i].NodeCount + forest.Trees[i].LeafCount;
            firstLeaf += forest.Trees[i].LeafCount;
        }
    }

    public string Name => "four trees in turns";

    public int[] Leaves { get; }

    public long ByteSize => _nodes.ByteSize + _children.ByteSize + (_leafOf.LongLength * sizeof(int));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<TSink>(T* columns, int rowCount, bool hasMissing, ref TSink sink)
        where TSink : struct, ILeafSink
    {
        var nodes = stackalloc int[Lanes];
        for (var tree = 0; tree < _roots.Length; tree += Lanes)
        {
            var lanes = Math.Min(Lanes, _roots.Length - tree);
            var depth = 0;
            foreach (var one in _depths.AsSpan(tree, lanes))
                depth = Math.Max(depth, one);
            for (var row = 0; row < rowCount; row++)
            {
                for (var lane = 0; lane < Lanes; lane++)
                    nodes[lane] = _roots[Math.Min(tree + lane, _roots.Length - 1)];
                Walk(columns + (row * _columnCount), nodes, depth);
                for (var lane = 0; lane < lanes; lane++)
                    nodes[lane] = _leafOf[nodes[lane]];
                sink.Take(row, tree, nodes, lanes);
            }
        }
    }

    /// <summary>So many steps from each of the nodes; a leaf leads to itself.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Walk(T* row, int* nodes, int depth)
    {
        var (a, b, c, d) = (nodes[0], nodes[1], nodes[2], nodes[3]);
        for (; depth > 0; depth--)
        {
            a = Next(row, a);
            b = Next(row, b);
            c = Next(row, c);
            d = Next(row, d);
        }

        (nodes[0], nodes[1], nodes[2], nodes[3]) = (a, b, c, d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Next(T* row, int node)
    {
        var at = _nodes.Pointer + node;
        var value = row[at->Column];
        var right = (value > at->Threshold ? 1 : 0) | ((T.IsNaN(value) ? 1 : 0) & at->DefaultRight);
        return _children.Pointer[(2 * node) + right];
    }

    private void Place(ForestTree tree, int index, ColumnSet columns, int first, int firstLeaf)
    {
        var firstOwnLeaf = first + tree.NodeCount;
        int At(int child) => child < 0 ? firstOwnLeaf + ~child : first + child;

        _roots[index] = At(tree.Root);
        _depths[index] = tree.Depth;
        for (var node = 0; node < tree.NodeCount; node++)
        {
            _nodes.Pointer[first + node] = new Node
            {
                Threshold = T.CreateTruncating(ColumnSet.ThresholdOf(tree, node)),
                Column = columns.Of(tree, node),
                DefaultRight = tree.DefaultLeft[node] ? 0 : 1,
            };
            _children.Pointer[2 * (first + node)] = At(tree.Left[node]);
            _children.Pointer[(2 * (first + node)) + 1] = At(tree.Right[node]);
        }

        for (var leaf = 0; leaf < tree.LeafCount; leaf++)
        {
            var node = firstOwnLeaf + leaf;
            _children.Pointer[2 * node] = _children.Pointer[(2 * node) + 1] = node;
            _leafOf[node] = firstLeaf + leaf;
        }
    }

    private struct Node
    {
        public T Threshold;
        public int Column;
        public int DefaultRight;
    }
}
