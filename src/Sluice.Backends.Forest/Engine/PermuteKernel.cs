using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Sluice.Backends.Forest.Engine;

/// <summary>Compares the 63 nodes of a tree's upper six levels at once: one permutation fetches the ranks that they test out of
/// the row's register, one comparison gives a bit for each, and the path is read off the bits.</summary>
/// <remarks>Needs AVX-512 with VBMI for bytes (up to 128 columns of up to 254 thresholds), with BW for 16-bit ranks (up to 64
/// columns). Trees deeper than six levels go on node by node.</remarks>
internal sealed unsafe class PermuteKernel<T, TRank> : IForestKernel<T>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
    where TRank : unmanaged, IBinaryInteger<TRank>
{
    // Two registers.
    private const int RowBytes = 128;

    // Rows whose paths a register holds, and fewest rows for which that is worth its while.
    private const int PathRows = 8;
    private const int FewestRows = 4;

    // Trees that one row goes through together.
    private const int GroupTrees = 16;

    // Deeper trees are mostly deep in few places, so that their rows are followed one by one.
    private const int MostEvenSteps = 4;
    private const int Slots = HeapForest<TRank>.Slots;

    private readonly HeapForest<TRank> _heap;
    private readonly RankTable<T> _ranks;
    private readonly int _columnCount;
    private readonly bool _isWide;

    public PermuteKernel(HeapForest<TRank> heap, RankTable<T> ranks, int columnCount)
    {
        _heap = heap;
        _ranks = ranks;
        _columnCount = columnCount;
        _isWide = columnCount > Vector512<TRank>.Count;
    }

    /// <summary>The largest number of columns.</summary>
    public static int MaxColumns => 2 * Vector512<TRank>.Count;

    /// <summary>The largest rank; the number above it stands for a missing value.</summary>
    public static int MaxRank => sizeof(TRank) == 1 ? byte.MaxValue - 1 : ushort.MaxValue - 1;

    /// <summary>This machine has the instructions.</summary>
    public static bool IsSupported => sizeof(TRank) == 1 ? Avx512Vbmi.IsSupported : Avx512BW.IsSupported;

    public string Name => sizeof(TRank) == 1 ? "63 nodes at once, 8-bit ranks" : "63 nodes at once, 16-bit ranks";

    public long ByteSize => _heap.ByteSize + _ranks.ByteSize;

    public int[] Leaves => _heap.Leaves;

    [SkipLocalsInit]
    public void Run<TSink>(T* columns, int rowCount, bool hasMissing, ref TSink sink)
        where TSink : struct, ILeafSink
    {
        var memory = stackalloc byte[(ForestEngine.BlockRows * RowBytes) + 64];
        var ranks = (byte*)(((nint)memory + 63) & -64);
        for (var row = 0; row < rowCount; row++)
            RankRow(columns + (row * _columnCount), (TRank*)(ranks + (row * RowBytes)));
        if (rowCount >= FewestRows)
        {
            switch (hasMissing, _isWide)
            {
                case (false, false): RunTogether<TSink, No, No>(ranks, rowCount, ref sink); break;
                case (false, true): RunTogether<TSink, No, Yes>(ranks, rowCount, ref sink); break;
                case (true, false): RunTogether<TSink, Yes, No>(ranks, rowCount, ref sink); break;
                default: RunTogether<TSink, Yes, Yes>(ranks, rowCount, ref sink); break;
            }

            return;
        }

        switch (hasMissing, _isWide)
        {
            case (false, false): Run<TSink, No, No>(ranks, rowCount, ref sink); break;
            case (false, true): Run<TSink, No, Yes>(ranks, rowCount, ref sink); break;
            case (true, false): Run<TSink, Yes, No>(ranks, rowCount, ref sink); break;
            default: Run<TSink, Yes, Yes>(ranks, rowCount, ref sink); break;
        }
    }

    [SkipLocalsInit]
    public T Sum(T* columns, bool hasMissing, T* values, T start)
    {
        var memory = stackalloc byte[RowBytes + 64];
        var ranks = (byte*)(((nint)memory + 63) & -64);
        RankRow(columns, (TRank*)ranks);
        return (hasMissing, _isWide) switch
        {
            (false, false) => Sum<No, No>(ranks, values, start),
            (false, true) => Sum<No, Yes>(ranks, values, start),
            (true, false) => Sum<Yes, No>(ranks, values, start),
            _ => Sum<Yes, Yes>(ranks, values, start),
        };
    }

    /// <summary>The six turns that the bits name, as a number from 0 to 63.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Path(ulong right)
    {
        var slot = 1 + (int)(right & 1);
        slot = (2 * slot) + 1 + (int)((right >> slot) & 1);
        slot = (2 * slot) + 1 + (int)((right >> slot) & 1);
        slot = (2 * slot) + 1 + (int)((right >> slot) & 1);
        slot = (2 * slot) + 1 + (int)((right >> slot) & 1);
        slot = (2 * slot) + 1 + (int)((right >> slot) & 1);
        return slot - (Slots - 1);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void RankRow(T* columns, TRank* ranks)
    {
        for (var i = 0; i < _columnCount; i++)
        {
            var value = columns[i];
            ranks[i] = T.IsNaN(value) ? TRank.AllBitsSet : TRank.CreateTruncating(_ranks.Rank(i, value));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Run<TSink, TMissing, TWide>(byte* ranks, int rowCount, ref TSink sink)
        where TSink : struct, ILeafSink
        where TMissing : struct
        where TWide : struct
    {
        var hasTails = _heap.Tails.Length > 0;
        var columns = (byte*)_heap.Columns.Pointer;
        var thresholds = (byte*)_heap.Ranks.Pointer;
        var exits = _heap.Exits.Pointer;
        var count = _heap.TreeCount;
        for (var tree = 0; tree < count; tree++)
        {
            var defaultLeft = _heap.DefaultLeft.Pointer[tree];
            var nodeColumns = Vector512.LoadAligned(columns);
            var nodeThresholds = Vector512.LoadAligned(thresholds);
            var moreColumns = sizeof(TRank) == 1 ? default : Vector512.LoadAligned(columns + 64);
            var moreThresholds = sizeof(TRank) == 1 ? default : Vector512.LoadAligned(thresholds + 64);
            for (var row = 0; row < rowCount; row++)
            {
                var values = ranks + (row * RowBytes);
                var path = Path(Compare<TMissing, TWide>(values, nodeColumns, nodeThresholds, moreColumns, moreThresholds, defaultLeft));
                var place = hasTails ? ~Follow<TMissing>((TRank*)values, exits[path]) : (tree * Slots) + path;
                sink.Take(row, tree, place);
            }

            columns += Slots * sizeof(TRank);
            thresholds += Slots * sizeof(TRank);
            exits += Slots;
        }
    }

    /// <summary>Goes through the trees with many rows: bits of all rows first, then the paths of eight rows in one register.</summary>
    /// <remarks>A single row does not gain by taking eight trees at a time like this: it waits for its bits to come back from memory.</remarks>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void RunTogether<TSink, TMissing, TWide>(byte* ranks, int rowCount, ref TSink sink)
        where TSink : struct, ILeafSink
        where TMissing : struct
        where TWide : struct
    {
        var memory = stackalloc byte[(ForestEngine.BlockRows * (sizeof(ulong) + sizeof(int))) + 64];
        var bits = (ulong*)(((nint)memory + 63) & -64);
        var places = (int*)(bits + ForestEngine.BlockRows);
        var hasTails = _heap.Tails.Length > 0;
        var columns = (byte*)_heap.Columns.Pointer;
        var thresholds = (byte*)_heap.Ranks.Pointer;
        for (var tree = 0; tree < _heap.TreeCount; tree++)
        {
            var defaultLeft = _heap.DefaultLeft.Pointer[tree];
            var nodeColumns = Vector512.LoadAligned(columns);
            var nodeThresholds = Vector512.LoadAligned(thresholds);
            var moreColumns = sizeof(TRank) == 1 ? default : Vector512.LoadAligned(columns + 64);
            var moreThresholds = sizeof(TRank) == 1 ? default : Vector512.LoadAligned(thresholds + 64);
            for (var row = 0; row < rowCount; row++)
            {
                bits[row] = Compare<TMissing, TWide>(
                    ranks + (row * RowBytes), nodeColumns, nodeThresholds, moreColumns, moreThresholds, defaultLeft);
            }

            var first = Vector512.Create((ulong)(uint)((tree - 1) * Slots));
            for (var row = 0; row < rowCount; row += PathRows)
                Paths(Vector512.LoadAligned(bits + row), first).Store(places + row);
            if (hasTails)
                FollowTogether<TMissing>(ranks, rowCount, tree, places);
            for (var row = 0; row < rowCount; row++)
                sink.Take(row, tree, places[row]);
            columns += Slots * sizeof(TRank);
            thresholds += Slots * sizeof(TRank);
        }
    }

    /// <summary>Places of eight rows: six turns each, from a heap that is numbered from 1 and so ends at 64.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Paths(Vector512<ulong> right, Vector512<ulong> first)
    {
        var one = Vector512<ulong>.One;
        var bits = right << 1;
        var slot = one;
        for (var level = 0; level < HeapForest<TRank>.HeapDepth; level++)
            slot = (slot + slot) | (Avx512F.ShiftRightLogicalVariable(bits, slot) & one);
        return Avx512F.ConvertToVector256Int32(slot + first);
    }

    /// <summary>Goes on below the sixth level with all rows: a step of every row, then the next, so that rows hide each other's waits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void FollowTogether<TMissing>(byte* ranks, int rowCount, int tree, int* places)
        where TMissing : struct
    {
        var exits = _heap.Exits.Pointer;
        var steps = _heap.TailDepths[tree];
        if (steps > MostEvenSteps)
        {
            for (var row = 0; row < rowCount; row++)
                places[row] = ~Follow<TMissing>((TRank*)(ranks + (row * RowBytes)), exits[places[row]]);
            return;
        }

        for (var row = 0; row < rowCount; row++)
            places[row] = exits[places[row]];
        for (; steps > 0; steps--)
        {
            for (var row = 0; row < rowCount; row++)
                places[row] = Step<TMissing>((TRank*)(ranks + (row * RowBytes)), places[row]);
        }

        for (var row = 0; row < rowCount; row++)
            places[row] = ~places[row];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private T Sum<TMissing, TWide>(byte* ranks, T* values, T start)
        where TMissing : struct
        where TWide : struct
    {
        if (_heap.Tails.Length > 0)
            return SumDeep<TMissing, TWide>(ranks, values, start);
        var sum = start;
        var columns = (byte*)_heap.Columns.Pointer;
        var thresholds = (byte*)_heap.Ranks.Pointer;
        var count = _heap.TreeCount;
        for (var tree = 0; tree < count; tree++)
        {
            var path = Path(Compare<TMissing, TWide>(
                ranks, Vector512.LoadAligned(columns), Vector512.LoadAligned(thresholds),
                sizeof(TRank) == 1 ? default : Vector512.LoadAligned(columns + 64),
                sizeof(TRank) == 1 ? default : Vector512.LoadAligned(thresholds + 64), _heap.DefaultLeft.Pointer[tree]));
            sum += values[(tree * Slots) + path];
            columns += Slots * sizeof(TRank);
            thresholds += Slots * sizeof(TRank);
        }

        return sum;
    }

    /// <summary>Trees of more than six levels, some at a time, so that they hide each other's waits below the sixth.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private T SumDeep<TMissing, TWide>(byte* ranks, T* values, T start)
        where TMissing : struct
        where TWide : struct
    {
        var sum = start;
        var places = stackalloc int[GroupTrees];
        var columns = (byte*)_heap.Columns.Pointer;
        var thresholds = (byte*)_heap.Ranks.Pointer;
        for (var tree = 0; tree < _heap.TreeCount; tree += GroupTrees)
        {
            var count = Math.Min(GroupTrees, _heap.TreeCount - tree);
            for (var i = 0; i < count; i++)
            {
                places[i] = ((tree + i) * Slots) + Path(Compare<TMissing, TWide>(
                    ranks, Vector512.LoadAligned(columns), Vector512.LoadAligned(thresholds),
                    sizeof(TRank) == 1 ? default : Vector512.LoadAligned(columns + 64),
                    sizeof(TRank) == 1 ? default : Vector512.LoadAligned(thresholds + 64), _heap.DefaultLeft.Pointer[tree + i]));
                columns += Slots * sizeof(TRank);
                thresholds += Slots * sizeof(TRank);
            }

            FollowTrees<TMissing>((TRank*)ranks, tree, count, places);
            for (var i = 0; i < count; i++)
                sum += values[places[i]];
        }

        return sum;
    }

    /// <summary>Goes on below the sixth level of several trees with one row: a step of each tree, then the next.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void FollowTrees<TMissing>(TRank* values, int tree, int count, int* places)
        where TMissing : struct
    {
        var steps = 0;
        for (var i = 0; i < count; i++)
        {
            steps = Math.Max(steps, _heap.TailDepths[tree + i]);
            places[i] = _heap.Exits.Pointer[places[i]];
        }

        if (steps > MostEvenSteps)
        {
            for (var i = 0; i < count; i++)
                places[i] = ~Follow<TMissing>(values, places[i]);
            return;
        }

        for (; steps > 0; steps--)
        {
            for (var i = 0; i < count; i++)
                places[i] = Step<TMissing>(values, places[i]);
        }

        for (var i = 0; i < count; i++)
            places[i] = ~places[i];
    }

    /// <summary>Goes on below the sixth level, without a branch for the turns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Follow<TMissing>(TRank* values, int node)
        where TMissing : struct
    {
        var nodes = _heap.Tails.Pointer;
        while (node >= 0)
        {
            var at = nodes + node;
            var rank = int.CreateTruncating(values[at->Column]);
            var right = rank > at->Rank ? 1 : 0;
            if (typeof(TMissing) == typeof(Yes))
                right &= (rank > MaxRank ? 0 : 1) | at->DefaultRight;
            node = (&at->Left)[right];
        }

        return node;
    }

    /// <summary>One step from a node; a leaf stays where it is.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Step<TMissing>(TRank* values, int node)
        where TMissing : struct
    {
        var at = _heap.Tails.Pointer + (node & ~(node >> 31));
        var rank = int.CreateTruncating(values[at->Column]);
        var right = rank > at->Rank ? 1 : 0;
        if (typeof(TMissing) == typeof(Yes))
            right &= (rank > MaxRank ? 0 : 1) | at->DefaultRight;
        var child = (&at->Left)[right];
        return node < 0 ? node : child;
    }

    /// <summary>A bit for each slot: its node sends the row to the right.</summary>
    /// <remarks>The nodes come as values, not as a structure, so that they stay in registers from row to row.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Compare<TMissing, TWide>(
        byte* values, Vector512<byte> columns, Vector512<byte> thresholds, Vector512<byte> moreColumns, Vector512<byte> moreThresholds,
        ulong defaultLeft)
        where TMissing : struct
        where TWide : struct
    {
        if (sizeof(TRank) != 1)
        {
            return Words<TMissing, TWide>(values, columns.AsUInt16(), thresholds.AsUInt16(), defaultLeft)
                | (Words<TMissing, TWide>(values, moreColumns.AsUInt16(), moreThresholds.AsUInt16(), defaultLeft >> 32) << 32);
        }

        var low = Vector512.LoadAligned(values);
        var found = typeof(TWide) == typeof(Yes)
            ? Avx512Vbmi.PermuteVar64x8x2(low, columns, Vector512.LoadAligned(values + 64))
            : Avx512Vbmi.PermuteVar64x8(low, columns);
        var right = Vector512.GreaterThan(found, thresholds).ExtractMostSignificantBits();
        if (typeof(TMissing) == typeof(Yes))
            right &= ~(Vector512.Equals(found, Vector512<byte>.AllBitsSet).ExtractMostSignificantBits() & defaultLeft);
        return right;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Words<TMissing, TWide>(byte* values, Vector512<ushort> columns, Vector512<ushort> thresholds, ulong defaultLeft)
        where TMissing : struct
        where TWide : struct
    {
        var low = Vector512.LoadAligned((ushort*)values);
        var found = typeof(TWide) == typeof(Yes)
            ? Avx512BW.PermuteVar32x16x2(low, columns, Vector512.LoadAligned((ushort*)(values + 64)))
            : Avx512BW.PermuteVar32x16(low, columns);
        var right = Vector512.GreaterThan(found, thresholds).ExtractMostSignificantBits();
        if (typeof(TMissing) == typeof(Yes))
            right &= ~(Vector512.Equals(found, Vector512<ushort>.AllBitsSet).ExtractMostSignificantBits() & defaultLeft);
        return right;
    }

    private readonly struct Yes;

    private readonly struct No;
}
