using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Engine;

/// <summary>The forest laid out for <see cref="PermuteKernel{TValue, TRank}"/>: of each tree the top six levels as a heap of 63
/// nodes that are compared all at once, what lies deeper as nodes to follow.</summary>
/// <typeparam name="TRank">Byte or 16-bit ranks; the largest value stands for a missing one.</typeparam>
internal sealed unsafe class HeapForest<TRank>
    where TRank : unmanaged
{
    /// <summary>Levels compared at once.</summary>
    public const int HeapDepth = 6;

    /// <summary>Places of a tree: 63 nodes and one that is not used.</summary>
    public const int Slots = 1 << HeapDepth;

    private readonly List<TailNode> _tails = [];
    private readonly Func<ForestTree, int, int> _columnOf;
    private readonly Func<ForestTree, int, int> _rankOf;

    /// <summary>Lays out a forest.</summary>
    /// <param name="forest">The trees.</param>
    /// <param name="columnOf">Column that a node compares, below 2^15.</param>
    /// <param name="rankOf">Index of the node's threshold in its column.</param>
    public HeapForest(TreeEnsemble forest, Func<ForestTree, int, int> columnOf, Func<ForestTree, int, int> rankOf)
    {
        _columnOf = columnOf;
        _rankOf = rankOf;
        var count = forest.Trees.Length;
        TreeCount = count;
        Columns = new AlignedArray<TRank>(count * Slots);
        Ranks = new AlignedArray<TRank>(count * Slots);
        DefaultLeft = new AlignedArray<ulong>(count);
        Exits = new AlignedArray<int>(count * Slots);
        TailDepths = new int[count];
        var firstLeaf = 0;
        for (var i = 0; i < count; i++)
        {
            Place(forest.Trees[i], i, firstLeaf);
            TailDepths[i] = Math.Max(0, forest.Trees[i].Depth - HeapDepth);
            firstLeaf += forest.Trees[i].LeafCount;
        }

        // Without deeper nodes a path is a leaf, so its place needs no look-up.
        Leaves = _tails.Count == 0
            ? Array.ConvertAll(Exits.Span.ToArray(), exit => ~exit)
            : [.. Enumerable.Range(0, firstLeaf)];
        Tails = new AlignedArray<TailNode>(_tails.Count);
        _tails.ToArray().CopyTo(Tails.Span);
    }

    public int TreeCount { get; }

    /// <summary>Column by tree and slot.</summary>
    public AlignedArray<TRank> Columns { get; }

    /// <summary>Threshold's index by tree and slot; the largest where there is no node.</summary>
    public AlignedArray<TRank> Ranks { get; }

    /// <summary>By tree, a bit for each slot.</summary>
    public AlignedArray<ulong> DefaultLeft { get; }

    /// <summary>Where the heap is left, by tree and path of six turns: below 0 leaf <c>~exit</c> of the forest, else a
    /// node of <see cref="Tails"/>.</summary>
    public AlignedArray<int> Exits { get; }

    /// <summary>Nodes below the sixth level.</summary>
    public AlignedArray<TailNode> Tails { get; }

    /// <summary>Most steps below the sixth level, by tree.</summary>
    public int[] TailDepths { get; }

    /// <summary>Leaf of each place: tree and path where there are no <see cref="Tails"/>, else the leaf itself.</summary>
    public int[] Leaves { get; }

    public long ByteSize => Columns.ByteSize + Ranks.ByteSize + DefaultLeft.ByteSize + Exits.ByteSize + Tails.ByteSize;

    private static TRank ToRank(int value) => sizeof(TRank) == 1
        ? System.Runtime.CompilerServices.Unsafe.BitCast<byte, TRank>((byte)value)
        : System.Runtime.CompilerServices.Unsafe.BitCast<ushort, TRank>((ushort)value);

    private void Place(ForestTree tree, int index, int firstLeaf)
    {
        Ranks.Span.Slice(index * Slots, Slots).Fill(ToRank(-1));
        var waiting = new Stack<(int Node, int Slot)>([(tree.Root, 0)]);
        while (waiting.TryPop(out var place))
        {
            var (node, slot) = place;
            if (slot >= Slots - 1)
            {
                Exits.Pointer[(index * Slots) + slot - (Slots - 1)] = node < 0 ? ~(firstLeaf + ~node) : AddTail(tree, node, firstLeaf);
                continue;
            }

            if (node >= 0)
            {
                Columns.Pointer[(index * Slots) + slot] = ToRank(_columnOf(tree, node));
                Ranks.Pointer[(index * Slots) + slot] = ToRank(_rankOf(tree, node));
                if (tree.DefaultLeft[node])
                    DefaultLeft.Pointer[index] |= 1UL << slot;
            }

            // A leaf in the upper levels is reached whichever way is taken from there on.
            waiting.Push((node < 0 ? node : tree.Left[node], (2 * slot) + 1));
            waiting.Push((node < 0 ? node : tree.Right[node], (2 * slot) + 2));
        }
    }

    private int AddTail(ForestTree tree, int root, int firstLeaf)
    {
        var first = _tails.Count;
        var waiting = new Queue<int>([root]);
        while (waiting.TryDequeue(out var node))
        {
            int Child(int child)
            {
                if (child < 0)
                    return ~(firstLeaf + ~child);
                waiting.Enqueue(child);

                // Nodes are numbered in the order in which they leave the queue.
                return _tails.Count + waiting.Count;
            }

            var left = Child(tree.Left[node]);
            var right = Child(tree.Right[node]);
            _tails.Add(new TailNode
            {
                Column = (ushort)_columnOf(tree, node),
                Rank = (ushort)_rankOf(tree, node),
                DefaultRight = tree.DefaultLeft[node] ? 0 : 1,
                Left = left,
                Right = right,
            });
        }

        return first;
    }
}

/// <summary>A node below the heap; a child below 0 is leaf <c>~child</c> of the forest.</summary>
internal struct TailNode
{
    public int Left;
    public int Right;
    public ushort Column;
    public ushort Rank;
    public int DefaultRight;
}
