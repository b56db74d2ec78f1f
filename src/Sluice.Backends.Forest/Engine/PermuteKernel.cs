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

    public void Run<TSink>(T* columns, int rowCount, bool hasMissing, ref TSink sink)
        where TSink : struct, ILeafSink
    {
        var memory = stackalloc byte[(ForestEngine.BlockRows * RowBytes) + 64];
        var ranks = (byte*)(((nint)memory + 63) & -64);
        for (var row = 0; row < rowCount; row++)
            RankRow(columns + (row * _columnCount), (TRank*)(ranks + (row * RowBytes)));
        if (hasMissing)
            Run<TSink, Yes>(ranks, rowCount, ref sink);
        else
            Run<TSink, No>(ranks, rowCount, ref sink);
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

    private void RankRow(T* columns, TRank* ranks)
    {
        for (var i = 0; i < _columnCount; i++)
        {
            var value = columns[i];
            ranks[i] = T.IsNaN(value) ? TRank.AllBitsSet : TRank.CreateTruncating(_ranks.Rank(i, value));
        }
    }

    private void Run<TSink, TMissing>(byte* ranks, int rowCount, ref TSink sink)
        where TSink : struct, ILeafSink
        where TMissing : struct
    {
        var columns = (byte*)_heap.Columns.Pointer;
        var thresholds = (byte*)_heap.Ranks.Pointer;
        var exits = _heap.Exits.Pointer;
        for (var tree = 0; tree < _heap.TreeCount; tree++)
        {
            for (var row = 0; row < rowCount; row++)
            {
                var values = ranks + (row * RowBytes);
                var right = Compare<TMissing>(values, columns, thresholds, _heap.DefaultLeft.Pointer[tree]);
                var exit = exits[Path(right)];
                if (exit >= 0)
                    exit = Follow<TMissing>((TRank*)values, exit);
                sink.Take(row, tree, ~exit);
            }

            columns += Slots * sizeof(TRank);
            thresholds += Slots * sizeof(TRank);
            exits += Slots;
        }
    }

    /// <summary>A bit for each slot: its node sends the row to the right.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ulong Compare<TMissing>(byte* values, byte* columns, byte* thresholds, ulong defaultLeft)
        where TMissing : struct
    {
        if (sizeof(TRank) == 1)
        {
            var wanted = Vector512.LoadAligned(columns);
            var low = Vector512.LoadAligned(values);
            var found = _isWide
                ? Avx512Vbmi.PermuteVar64x8x2(low, wanted, Vector512.LoadAligned(values + 64))
                : Avx512Vbmi.PermuteVar64x8(low, wanted);
            var right = Vector512.GreaterThan(found, Vector512.LoadAligned(thresholds)).ExtractMostSignificantBits();
            if (typeof(TMissing) == typeof(Yes))
                right &= ~(Vector512.Equals(found, Vector512<byte>.AllBitsSet).ExtractMostSignificantBits() & defaultLeft);
            return right;
        }

        return CompareWords<TMissing>(values, columns, thresholds, defaultLeft)
            | (CompareWords<TMissing>(values, columns + 64, thresholds + 64, defaultLeft >> 32) << 32);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ulong CompareWords<TMissing>(byte* values, byte* columns, byte* thresholds, ulong defaultLeft)
        where TMissing : struct
    {
        var wanted = Vector512.LoadAligned((ushort*)columns);
        var low = Vector512.LoadAligned((ushort*)values);
        var found = _isWide
            ? Avx512BW.PermuteVar32x16x2(low, wanted, Vector512.LoadAligned((ushort*)(values + 64)))
            : Avx512BW.PermuteVar32x16(low, wanted);
        var right = Vector512.GreaterThan(found, Vector512.LoadAligned((ushort*)thresholds)).ExtractMostSignificantBits();
        if (typeof(TMissing) == typeof(Yes))
            right &= ~(Vector512.Equals(found, Vector512<ushort>.AllBitsSet).ExtractMostSignificantBits() & defaultLeft);
        return right;
    }

    private int Follow<TMissing>(TRank* values, int node)
        where TMissing : struct
    {
        var nodes = _heap.Tails.Pointer;
        do
        {
            var at = nodes + node;
            var rank = values[at->Column];
            var isRight = int.CreateTruncating(rank) > at->Rank;
            if (typeof(TMissing) == typeof(Yes) && rank == TRank.AllBitsSet)
                isRight = !at->DefaultLeft;
            node = isRight ? at->Right : at->Left;
        }
        while (node >= 0);

        return node;
    }

    private readonly struct Yes;

    private readonly struct No;
}
