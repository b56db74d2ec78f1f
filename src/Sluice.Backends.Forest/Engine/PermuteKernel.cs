using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Sluice.Backends.Forest.Engine;

/// <summary>Compares the 63 nodes of a tree's upper six levels at once: one permutation fetches the ranks that they test out of
/// the row's register, one comparison gives a bit for each, and the path is read off the bits.</summary>
/// <remarks>
/// <para>Needs AVX-512 with VBMI for bytes (up to 128 lanes), with BW for 16-bit ranks (up to 64 lanes). Of trees deeper than six
/// levels the next two are compared in the same way where they are laid out as blocks; else they go on node by node.</para>
/// <para>Two rows go through some trees together, so that nodes are read once for both, in steps: bits, paths, what lies below, sums.
/// The steps of three such items are in work at once, and none reads what the step before has only just written, so that none waits
/// for another or for the memory.</para>
/// </remarks>
internal sealed unsafe class PermuteKernel<T, TRank> : IForestKernel<T>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
    where TRank : unmanaged, IBinaryInteger<TRank>
{
    // Two registers of ranks, two of marks of what is missing.
    private const int RowBytes = 256;
    private const int MarksAt = 128;

    // Trees whose paths two registers hold.
    private const int PathTrees = 16;

    // Trees of an item. Below the heap it is longer, since what is fetched in one step has to be there in the next.
    private const int ItemTrees = 32;
    private const int DeepItemTrees = 64;
    private const int ItemRows = 2;

    private const int Slots = HeapForest<TRank>.Slots;

    private readonly HeapForest<TRank> _heap;
    private readonly RankTable<T> _ranks;
    private readonly int _columnCount;
    private readonly int _itemTrees;

    public PermuteKernel(HeapForest<TRank> heap, RankTable<T> ranks, int columnCount)
    {
        _heap = heap;
        _ranks = ranks;
        _columnCount = columnCount;
        _itemTrees = heap.HasBlocks || heap.HasTails ? DeepItemTrees : ItemTrees;
    }

    /// <summary>The largest number of lanes.</summary>
    public static int MaxLanes => 2 * Vector512<TRank>.Count;

    /// <summary>The largest rank.</summary>
    public static int MaxRank => sizeof(TRank) == 1 ? byte.MaxValue : ushort.MaxValue;

    /// <summary>This machine has the instructions.</summary>
    public static bool IsSupported => sizeof(TRank) == 1 ? Avx512Vbmi.IsSupported : Avx512BW.IsSupported;

    public string Name => $"{(_heap.HasBlocks ? "63 + 3" : "63")} nodes at once, {8 * sizeof(TRank)}-bit ranks";

    public long ByteSize => _heap.ByteSize + _ranks.ByteSize;

    public int[] Leaves => _heap.Leaves;

    [SkipLocalsInit]
    public void Run<TSink>(T* columns, int rowCount, bool hasMissing, ref TSink sink)
        where TSink : struct, ILeafSink
    {
        var memory = stackalloc byte[(rowCount * RowBytes) + 64];
        var rows = (byte*)(((nint)memory + 63) & -64);
        for (var row = 0; row < rowCount; row++)
        {
            _ranks.Rank(columns + (row * _columnCount), (TRank*)(rows + (row * RowBytes)));
            if (hasMissing)
                _ranks.MarkMissing(columns + (row * _columnCount), (TRank*)(rows + (row * RowBytes) + MarksAt));
        }

        switch (hasMissing, _ranks.LaneCount > Vector512<TRank>.Count)
        {
            case (false, false): Run<TSink, No, No>(rows, rowCount, ref sink); break;
            case (false, true): Run<TSink, No, Yes>(rows, rowCount, ref sink); break;
            case (true, false): Run<TSink, Yes, No>(rows, rowCount, ref sink); break;
            default: Run<TSink, Yes, Yes>(rows, rowCount, ref sink); break;
        }
    }

    /// <summary>Takes all rows through some trees, then through the next.</summary>
    [SkipLocalsInit]
    private void Run<TSink, TMissing, TWide>(byte* rows, int rowCount, ref TSink sink)
        where TSink : struct, ILeafSink
        where TMissing : struct
        where TWide : struct
    {
        var memory = stackalloc byte[(3 * ItemRows * DeepItemTrees * (sizeof(ulong) + sizeof(int))) + 64];
        var bits = (ulong*)(((nint)memory + 63) & -64);
        var places = (int*)(bits + (3 * ItemRows * DeepItemTrees));
        Item newest = new(bits, places), middle = new(bits + (ItemRows * DeepItemTrees), places + (ItemRows * DeepItemTrees));
        Item oldest = new(bits + (2 * ItemRows * DeepItemTrees), places + (2 * ItemRows * DeepItemTrees));
        var (row, tree) = (0, 0);
        do
        {
            newest.Count = Math.Min(_itemTrees, _heap.TreeCount - tree);
            (newest.Row, newest.RowCount, newest.Tree) = (row, Math.Min(ItemRows, rowCount - row), tree);
            if (newest.Count > 0)
                Compare<TMissing, TWide>(rows + (row * RowBytes), _heap.Nodes.Pointer + (2L * Slots * tree), in newest);
            if (middle.Count > 0)
                Turn(in middle);
            if (oldest.Count > 0)
            {
                Finish<TMissing, TWide>(rows + (oldest.Row * RowBytes), in oldest);
                Take(ref sink, in oldest);
            }

            row += newest.RowCount;
            if (row == rowCount)
                (row, tree) = (0, Math.Min(tree + _itemTrees, _heap.TreeCount));
            (oldest, middle, newest) = (middle, newest, oldest);
        }
        while (middle.Count > 0 || oldest.Count > 0);
    }

    private static void Take<TSink>(ref TSink sink, in Item item)
        where TSink : struct, ILeafSink
    {
        var other = item.Places + DeepItemTrees;
        if (item.RowCount == 1)
        {
            sink.Take(item.Row, item.Tree, item.Places, item.Count);
        }
        else if (typeof(TSink) == typeof(SingleSum<T>))
        {
            Unsafe.As<TSink, SingleSum<T>>(ref sink).TakeTwo(item.Row, item.Places, other, item.Count);
        }
        else
        {
            sink.Take(item.Row, item.Tree, item.Places, item.Count);
            sink.Take(item.Row + 1, item.Tree, other, item.Count);
        }
    }

    private static void Compare<TMissing, TWide>(byte* row, TRank* nodes, in Item item)
        where TMissing : struct
        where TWide : struct
    {
        if (item.RowCount == 1)
            CompareOne<TMissing, TWide>(row, nodes, item.Bits, item.Count);
        else
            CompareTwo<TMissing, TWide>(row, nodes, item.Bits, item.Count);
    }

    /// <summary>For each tree a bit for each slot: its node sends the row to the right.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void CompareOne<TMissing, TWide>(byte* row, TRank* nodes, ulong* bits, int count)
        where TMissing : struct
        where TWide : struct
    {
        var ranks = new Lanes<TWide>(row);
        var marks = typeof(TMissing) == typeof(Yes) ? new Lanes<TWide>(row + MarksAt) : default;
        for (nint tree = 0; tree < count; tree++)
        {
            bits[tree] = Compare<TMissing, TWide>(in ranks, in marks, (byte*)nodes);
            if (sizeof(TRank) != 1)
                bits[tree] |= Compare<TMissing, TWide>(in ranks, in marks, (byte*)nodes + 128) << 32;
            nodes += 2 * Slots;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void CompareTwo<TMissing, TWide>(byte* row, TRank* nodes, ulong* bits, int count)
        where TMissing : struct
        where TWide : struct
    {
        var (ranks, other) = (new Lanes<TWide>(row), new Lanes<TWide>(row + RowBytes));
        var marks = typeof(TMissing) == typeof(Yes) ? new Lanes<TWide>(row + MarksAt) : default;
        var otherMarks = typeof(TMissing) == typeof(Yes) ? new Lanes<TWide>(row + RowBytes + MarksAt) : default;
        for (nint tree = 0; tree < count; tree++)
        {
            bits[tree] = Compare<TMissing, TWide>(in ranks, in marks, (byte*)nodes);
            bits[tree + DeepItemTrees] = Compare<TMissing, TWide>(in other, in otherMarks, (byte*)nodes);
            if (sizeof(TRank) != 1)
            {
                bits[tree] |= Compare<TMissing, TWide>(in ranks, in marks, (byte*)nodes + 128) << 32;
                bits[tree + DeepItemTrees] |= Compare<TMissing, TWide>(in other, in otherMarks, (byte*)nodes + 128) << 32;
            }

            nodes += 2 * Slots;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Compare<TMissing, TWide>(in Lanes<TWide> ranks, in Lanes<TWide> marks, byte* nodes)
        where TMissing : struct
        where TWide : struct
    {
        var lanes = Vector512.LoadAligned(nodes);
        var right = Bits(ranks.At(lanes), Vector512.LoadAligned(nodes + 64));
        if (typeof(TMissing) == typeof(Yes))
            right |= sizeof(TRank) == 1 ? (marks.At(lanes) & lanes).ExtractMostSignificantBits() : (marks.At(lanes) & lanes).AsUInt16().ExtractMostSignificantBits();
        return right;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Bits(Vector512<byte> ranks, Vector512<byte> indexes) => sizeof(TRank) == 1
        ? Vector512.GreaterThan(ranks, indexes).ExtractMostSignificantBits()
        : Vector512.GreaterThan(ranks.AsUInt16(), indexes.AsUInt16()).ExtractMostSignificantBits();

    /// <summary>Reads the paths off the bits and has fetched what lies behind.</summary>
    private void Turn(in Item item)
    {
        for (var i = 0; i < item.RowCount; i++)
        {
            var places = item.Places + (i * DeepItemTrees);
            Paths(item.Bits + (i * DeepItemTrees), places, item.Tree, item.Count);
            if (_heap.HasBlocks)
                Fetch(_heap.Blocks.Pointer, places, item.Count);
            else if (_heap.HasTails)
                Fetch(_heap.Exits.Pointer, places, item.Count);
        }
    }

    /// <summary>Six turns each of sixteen trees, through heaps that are numbered from 1 and so end at 64.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Paths(ulong* bits, int* places, int tree, int count)
    {
        var one = Vector512<ulong>.One;
        var first = (Vector512<ulong>.Indices + Vector512.Create((ulong)tree) - one) * Slots;
        for (nint i = 0; i < count; i += PathTrees)
        {
            var (leftBits, rightBits) = (Vector512.LoadAligned(bits + i) << 1, Vector512.LoadAligned(bits + i + 8) << 1);
            var (left, right) = (one, one);
            for (var level = 0; level < HeapForest<TRank>.HeapDepth; level++)
            {
                left = (left + left) | (Avx512F.ShiftRightLogicalVariable(leftBits, left) & one);
                right = (right + right) | (Avx512F.ShiftRightLogicalVariable(rightBits, right) & one);
            }

            Avx512F.ConvertToVector256Int32(left + first).Store(places + i);
            first += Vector512.Create(8UL * Slots);
            Avx512F.ConvertToVector256Int32(right + first).Store(places + i + 8);
            first += Vector512.Create(8UL * Slots);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Fetch<TItem>(TItem* items, int* places, int count)
        where TItem : unmanaged
    {
        for (nint i = 0; i < count; i++)
            Sse.Prefetch0(items + places[i]);
    }

    /// <summary>Goes on below the heap.</summary>
    private void Finish<TMissing, TWide>(byte* row, in Item item)
        where TMissing : struct
        where TWide : struct
    {
        for (var i = 0; i < item.RowCount; i++)
        {
            var bits = item.Bits + (i * DeepItemTrees);
            var places = item.Places + (i * DeepItemTrees);
            if (_heap.HasBlocks)
            {
                Copy(_heap.Blocks.Pointer, places, bits, item.Count);
                PassBlocks<TMissing, TWide>(row, bits, places, item.Count);
            }
            else if (_heap.HasTails)
            {
                Follow<TMissing>((TRank*)row, _heap.Exits.Pointer, _heap.Tails.Pointer, places, item.Count);
            }

            row += RowBytes;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Copy(ulong* blocks, int* places, ulong* to, int count)
    {
        for (nint i = 0; i < count; i++)
            to[i] = blocks[places[i]];
    }

    /// <summary>Compares the blocks of eight trees at once and takes two turns more.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void PassBlocks<TMissing, TWide>(byte* row, ulong* blocks, int* places, int count)
        where TMissing : struct
        where TWide : struct
    {
        var ranks = new Lanes<TWide>(row);
        var marks = typeof(TMissing) == typeof(Yes) ? new Lanes<TWide>(row + MarksAt) : default;
        var one = Vector512<ulong>.One;
        var three = Vector512.Create(0x010101UL);
        for (nint i = 0; i < count; i += 8)
        {
            var nodes = Vector512.LoadAligned(blocks + i);
            var right = Vector512.GreaterThan(ranks.At(nodes.AsByte()), (nodes >> 32).AsByte()).AsUInt64() & three;
            if (typeof(TMissing) == typeof(Yes))
                right |= ((marks.At(nodes.AsByte()).AsUInt64() & nodes) >> 7) & three;
            var first = right & one;
            var second = Avx512F.ShiftRightLogicalVariable(right, (first << 3) + Vector512.Create(8UL)) & one;
            var turns = Avx512F.ConvertToVector256Int32(first + first + second);
            ((Vector256.LoadAligned(places + i) << HeapForest<TRank>.BlockDepth) + turns).StoreAligned(places + i);
        }
    }

    /// <summary>Follows the nodes below the sixth level: a step of each tree, then the next of those that are not at a leaf yet.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Follow<TMissing>(TRank* row, int* exits, TailNode* nodes, int* places, int count)
        where TMissing : struct
    {
        var waiting = stackalloc int[DeepItemTrees];
        var left = 0;
        for (var i = 0; i < count; i++)
        {
            places[i] = exits[places[i]];
            waiting[left] = i;
            left += 1 + (places[i] >> 31);
        }

        while (left > 0)
        {
            var last = left;
            left = 0;
            for (var i = 0; i < last; i++)
            {
                var tree = waiting[i];
                places[tree] = Next<TMissing>(row, nodes + places[tree]);
                waiting[left] = tree;
                left += 1 + (places[tree] >> 31);
            }
        }

        for (var i = 0; i < count; i++)
            places[i] = ~places[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Next<TMissing>(TRank* row, TailNode* node)
        where TMissing : struct
    {
        var right = int.CreateTruncating(row[node->Lane]) > node->Index ? 1 : 0;
        if (typeof(TMissing) == typeof(Yes))
            right |= int.CreateTruncating(row[node->Lane + (MarksAt / sizeof(TRank))]) & node->DefaultRight;
        return (&node->Left)[right];
    }

    /// <summary>Some trees that one row or two go through; what is the second row's lies behind that of the first.</summary>
    private struct Item(ulong* bits, int* places)
    {
        public readonly ulong* Bits = bits;
        public readonly int* Places = places;
        public int Row;
        public int RowCount;
        public int Tree;
        public int Count;
    }

    /// <summary>A row in one register or two.</summary>
    private readonly struct Lanes<TWide>
        where TWide : struct
    {
        private readonly Vector512<byte> _low;
        private readonly Vector512<byte> _high;

        public Lanes(byte* row)
        {
            _low = Vector512.LoadAligned(row);
            _high = typeof(TWide) == typeof(Yes) ? Vector512.LoadAligned(row + 64) : default;
        }

        /// <summary>Of each lane that is named its rank; the top bits of the names do not count.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<byte> At(Vector512<byte> lanes)
        {
            if (sizeof(TRank) == 1)
                return typeof(TWide) == typeof(Yes) ? Avx512Vbmi.PermuteVar64x8x2(_low, lanes, _high) : Avx512Vbmi.PermuteVar64x8(_low, lanes);
            return typeof(TWide) == typeof(Yes)
                ? Avx512BW.PermuteVar32x16x2(_low.AsUInt16(), lanes.AsUInt16(), _high.AsUInt16()).AsByte()
                : Avx512BW.PermuteVar32x16(_low.AsUInt16(), lanes.AsUInt16()).AsByte();
        }
    }

    private readonly struct Yes;

    private readonly struct No;
}
