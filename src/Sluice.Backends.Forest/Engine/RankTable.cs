using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Sluice.Backends.Forest.Engine;

/// <summary>Replaces a column's values by how many of its thresholds lie below: small numbers that compare as the values do.</summary>
/// <remarks>
/// <para>With thresholds t0 &lt; t1 &lt; … and rank(x) = number of t &lt; x, x &lt;= tj exactly when rank(x) &lt;= j. So nothing is
/// rounded, and a node compares bytes or 16-bit words instead of floating-point numbers.</para>
/// <para>A column of more thresholds than a rank can count is several lanes, each with the next part of them.</para>
/// <para>The search goes down a tree as wide as a vector register: one comparison and one count per level. All lanes have as many
/// levels as the largest, so that the loop is the same for each.</para>
/// </remarks>
internal sealed unsafe class RankTable<T>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private readonly int _mostThresholds;
    private readonly double[][] _thresholds;
    private readonly int[] _firstLanes;
    private readonly int _depth = 1;
    private readonly AlignedArray<T> _levels;
    private readonly AlignedArray<int> _starts;
    private readonly AlignedArray<int> _columns;

    /// <summary>Creates the table.</summary>
    /// <param name="columns">What is compared.</param>
    /// <param name="mostThresholds">Largest rank.</param>
    public RankTable(ColumnSet columns, int mostThresholds)
    {
        _mostThresholds = mostThresholds;
        _thresholds = [.. Enumerable.Range(0, columns.Count).Select(columns.Thresholds)];
        _firstLanes = new int[columns.Count];
        var lanes = new List<(int Column, T[] Thresholds)>();
        for (var i = 0; i < columns.Count; i++)
        {
            _firstLanes[i] = lanes.Count;
            foreach (var part in _thresholds[i].Chunk(mostThresholds))
                lanes.Add((i, Array.ConvertAll(part, T.CreateTruncating)));
        }

        LaneCount = lanes.Count;
        for (var size = Fanout; size <= lanes.Max(lane => lane.Thresholds.Length); size *= Fanout)
            _depth++;
        _columns = new AlignedArray<int>(LaneCount);
        _starts = new AlignedArray<int>(LaneCount * _depth);
        var levels = new List<T>();
        for (var lane = 0; lane < LaneCount; lane++)
        {
            _columns.Pointer[lane] = lanes[lane].Column;
            AddLevels(levels, lanes[lane].Thresholds, _starts.Span.Slice(lane * _depth, _depth));
        }

        _levels = new AlignedArray<T>(levels.Count);
        levels.ToArray().CopyTo(_levels.Span);
    }

    /// <summary>Number of ranks of a row.</summary>
    public int LaneCount { get; }

    public long ByteSize => _levels.ByteSize + _starts.ByteSize + _columns.ByteSize;

    private static int Fanout => Vector512<T>.Count;

    /// <summary>Tells how many lanes a table would have.</summary>
    public static long CountLanes(ColumnSet columns, int mostThresholds) =>
        Enumerable.Range(0, columns.Count).Sum(i => ((long)columns.Thresholds(i).Length + mostThresholds - 1) / mostThresholds);

    /// <summary>Returns the lane that a threshold of a column is in, and its index there.</summary>
    public (int Lane, int Index) Find(int column, double threshold)
    {
        var (part, index) = Math.DivRem(Array.BinarySearch(_thresholds[column], threshold), _mostThresholds);
        return (_firstLanes[column] + part, index);
    }

    /// <summary>Finds the ranks of a row; that of NaN is 0.</summary>
    /// <param name="row">A value for each column.</param>
    /// <param name="ranks">One for each lane.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Rank<TRank>(T* row, TRank* ranks)
        where TRank : unmanaged, IBinaryInteger<TRank>
    {
        var levels = _levels.Pointer;
        var starts = _starts.Pointer;
        var columns = _columns.Pointer;
        var (count, depth) = (LaneCount, _depth);
        if (depth == 2)
        {
            for (nint lane = 0; lane < count; lane++)
            {
                var wanted = Vector512.Create(row[columns[lane]]);
                ranks[lane] = TRank.CreateTruncating(Below(levels + starts[1], Below(levels + starts[0], 0, wanted), wanted));
                starts += 2;
            }

            return;
        }

        for (nint lane = 0; lane < count; lane++)
        {
            var wanted = Vector512.Create(row[columns[lane]]);
            var rank = 0;
            for (nint level = 0; level < depth; level++)
                rank = Below(levels + starts[level], rank, wanted);
            ranks[lane] = TRank.CreateTruncating(rank);
            starts += depth;
        }
    }

    /// <summary>Marks the lanes of a row whose value is NaN with all bits, the others with none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void MarkMissing<TRank>(T* row, TRank* marks)
        where TRank : unmanaged, IBinaryInteger<TRank>
    {
        var columns = _columns.Pointer;
        var count = LaneCount;
        for (nint lane = 0; lane < count; lane++)
        {
            // Which values are missing is hard to guess, so not a branch.
            var isMissing = T.IsNaN(row[columns[lane]]) ? 1 : 0;
            marks[lane] = TRank.CreateTruncating(-isMissing);
        }
    }

    /// <summary>One step down: how many elements of a level lie below a value, when it lies in the block of that number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Below(T* level, int block, Vector512<T> wanted)
    {
        var below = Vector512.LessThan(Vector512.LoadAligned(level + (block * Fanout)), wanted);
        return (block * Fanout) + BitOperations.PopCount(below.ExtractMostSignificantBits());
    }

    /// <summary>Adds the levels of a lane, the upper ones first. An element of an upper level is the last of a block below it; a block's
    /// unused places are infinite, and at least one of the last block is, so that no value lies behind all of them.</summary>
    private static void AddLevels(List<T> levels, T[] thresholds, Span<int> starts)
    {
        var own = new T[starts.Length][];
        var level = thresholds;
        for (var depth = starts.Length - 1; depth >= 0; depth--)
        {
            var blocks = depth == starts.Length - 1 ? (level.Length / Fanout) + 1 : (level.Length + Fanout - 1) / Fanout;
            own[depth] = new T[blocks * Fanout];
            own[depth].AsSpan().Fill(T.PositiveInfinity);
            level.CopyTo(own[depth], 0);
            level = [.. own[depth].Chunk(Fanout).Select(block => block[^1])];
        }

        for (var depth = 0; depth < starts.Length; depth++)
        {
            starts[depth] = levels.Count;
            levels.AddRange(own[depth]);
        }
    }
}
