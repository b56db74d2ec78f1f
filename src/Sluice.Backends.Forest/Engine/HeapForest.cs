using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Engine;

/// <summary>The forest laid out for <see cref="PermuteKernel{TValue, TRank}"/>: of each tree the top six levels as a heap of 63
/// nodes that are compared all at once; of trees of up to eight levels the last two as a block of three nodes behind each way out of
/// the heap; of deeper ones what lies below as nodes to follow.</summary>
/// <typeparam name="TRank">Byte or 16-bit ranks.</typeparam>
internal sealed unsafe class HeapForest<TRank>
    where TRank : unmanaged
{
    /// <summary>Levels compared at once.</summary>
    public const int HeapDepth = 6;

    /// <summary>Places of a tree: 63 nodes and one that is not used; also its ways out.</summary>
    public const int Slots = 1 << HeapDepth;

    /// <summary>Levels of a block.</summary>
    public const int BlockDepth = 2;

    /// <summary>Leaves of a block.</summary>
    public const int BlockLeaves = 1 << BlockDepth;

    /// <summary>Most trees: a layout takes some hundred bytes for each, however small it is.</summary>
    public const int MaxTrees = 1 << 20;

    // Blocks take 3 KiB for each tree, whatever it has of nodes; sparse or many trees have their nodes followed.
    private const int MaxBlockTrees = 1 << 16;
    private const int LeastMeanLeaves = 16;

    private readonly List<TailNode> _tails = [];
    private readonly Func<ForestTree, int, (int Lane, int Index)> _compared;

    /// <summary>Lays out a forest of at most <see cref="MaxTrees"/> trees.</summary>
    /// <param name="forest">The trees.</param>
    /// <param name="compared">Lane that a node compares, and the index of its threshold there.</param>
    public HeapForest(TreeEnsemble forest, Func<ForestTree, int, (int Lane, int Index)> compared)
    {
        _compared = compared;
        var count = forest.Trees.Length;
        TreeCount = count;
        var deepest = forest.Trees.Select(tree => tree.Depth).DefaultIfEmpty().Max();
        var leafCount = forest.Trees.Sum(tree => tree.LeafCount);
        HasBlocks = sizeof(TRank) == 1 && deepest is > HeapDepth and <= HeapDepth + BlockDepth && count <= MaxBlockTrees && leafCount / count >= LeastMeanLeaves;
        HasTails = deepest > HeapDepth && !HasBlocks;
        Nodes = new AlignedArray<TRank>(2 * Slots * count);
        Blocks = new AlignedArray<ulong>(HasBlocks ? Slots * count : 0);
        Exits = new AlignedArray<int>(HasTails ? Slots * count : 0);
        Leaves = HasTails ? [.. Enumerable.Range(0, leafCount)] : new int[Slots * (HasBlocks ? BlockLeaves : 1) * count];
        var firstLeaf = 0;
        for (var i = 0; i < count; i++)
        {
            Place(forest.Trees[i], i, firstLeaf);
            firstLeaf += forest.Trees[i].LeafCount;
        }

        Tails = new AlignedArray<TailNode>(_tails.Count);
        _tails.ToArray().CopyTo(Tails.Span);
        _tails = [];
    }

    public int TreeCount { get; }

    /// <summary>By tree, its 64 slots in as many parts as they fill registers; of each part first the lanes, then the indexes of the
    /// thresholds, the largest number where there is no node. The top bit of a lane: NaN goes right.</summary>
    public AlignedArray<TRank> Nodes { get; }

    /// <summary>There are <see cref="Blocks"/>.</summary>
    public bool HasBlocks { get; }

    /// <summary>By tree and path of six turns, bytes: lanes of the upper node, of the left one and of the right one as in <see cref="Nodes"/>,
    /// one that is not used, and the indexes likewise.</summary>
    public AlignedArray<ulong> Blocks { get; }

    /// <summary>There are <see cref="Exits"/> and <see cref="Tails"/>.</summary>
    public bool HasTails { get; }

    /// <summary>Where the heap is left, by tree and path of six turns: below 0 leaf <c>~exit</c> of the forest, else a
    /// node of <see cref="Tails"/>.</summary>
    public AlignedArray<int> Exits { get; }

    /// <summary>Nodes below the sixth level.</summary>
    public AlignedArray<TailNode> Tails { get; }

    /// <summary>Leaf of each place: tree and path, of six turns or with <see cref="Blocks"/> of eight; with <see cref="Tails"/> the
    /// leaf itself.</summary>
    public int[] Leaves { get; }

    public long ByteSize => Nodes.ByteSize + Blocks.ByteSize + Exits.ByteSize + Tails.ByteSize;

    private static int LaneBits(bool isDefaultRight, int lane) => isDefaultRight ? lane | (1 << ((8 * sizeof(TRank)) - 1)) : lane;

    private static TRank ToRank(int value) => sizeof(TRank) == 1
        ? Unsafe.BitCast<byte, TRank>((byte)value)
        : Unsafe.BitCast<ushort, TRank>((ushort)value);

    private void Place(ForestTree tree, int index, int firstLeaf)
    {
        var nodes = Nodes.Pointer + (2L * Slots * index);
        for (var slot = 0; slot < Slots; slot++)
            *IndexOf(nodes, slot) = ToRank(-1);
        var waiting = new Stack<(int Node, int Slot)>([(tree.Root, 0)]);
        while (waiting.TryPop(out var place))
        {
            var (node, slot) = place;
            if (slot >= Slots - 1)
            {
                Leave(tree, node, (index * Slots) + slot - (Slots - 1), firstLeaf);
                continue;
            }

            if (node >= 0)
            {
                var (lane, threshold) = _compared(tree, node);
                var to = IndexOf(nodes, slot);
                *to = ToRank(threshold);
                to[-Vector512<TRank>.Count] = ToRank(LaneBits(!tree.DefaultLeft[node], lane));
            }

            // A leaf in the upper levels is reached whichever way is taken from there on.
            waiting.Push((node < 0 ? node : tree.Left[node], (2 * slot) + 1));
            waiting.Push((node < 0 ? node : tree.Right[node], (2 * slot) + 2));
        }
    }

    private static TRank* IndexOf(TRank* nodes, int slot)
    {
        var (part, at) = Math.DivRem(slot, Vector512<TRank>.Count);
        return nodes + (((2 * part) + 1) * Vector512<TRank>.Count) + at;
    }

    /// <summary>Says what lies behind a way out of the heap.</summary>
    private void Leave(ForestTree tree, int node, int exit, int firstLeaf)
    {
        if (HasTails)
        {
            Exits.Pointer[exit] = node < 0 ? ~(firstLeaf + ~node) : AddTail(tree, node, firstLeaf);
        }
        else if (HasBlocks)
        {
            // Without nodes all goes left.
            Blocks.Pointer[exit] = ulong.MaxValue << 32;
            AddBlock(tree, node, exit, 0, firstLeaf);
        }
        else
        {
            Leaves[exit] = firstLeaf + ~node;
        }
    }

    private void AddBlock(ForestTree tree, int node, int exit, int slot, int firstLeaf)
    {
        if (slot >= BlockLeaves - 1)
        {
            Leaves[(exit * BlockLeaves) + slot - (BlockLeaves - 1)] = firstLeaf + ~node;
            return;
        }

        if (node >= 0)
        {
            var (lane, threshold) = _compared(tree, node);
            var block = (byte*)(Blocks.Pointer + exit);
            block[slot] = (byte)LaneBits(!tree.DefaultLeft[node], lane);
            block[sizeof(uint) + slot] = (byte)threshold;
        }

        AddBlock(tree, node < 0 ? node : tree.Left[node], exit, (2 * slot) + 1, firstLeaf);
        AddBlock(tree, node < 0 ? node : tree.Right[node], exit, (2 * slot) + 2, firstLeaf);
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
            var (lane, threshold) = _compared(tree, node);
            _tails.Add(new TailNode
            {
                Lane = (ushort)lane,
                Index = (ushort)threshold,
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
    public ushort Lane;
    public ushort Index;
    public int DefaultRight;
}
