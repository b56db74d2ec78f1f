using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Sluice.Backends.Forest.Engine;

/// <summary>Replaces a column's values by how many of its thresholds lie below: small numbers that compare as the values do.</summary>
/// <remarks>
/// <para>With thresholds t0 &lt; t1 &lt; … and rank(x) = number of t &lt; x, x &lt;= tj exactly when rank(x) &lt;= j. So nothing is
/// rounded, and a node compares bytes or 16-bit words instead of floating-point numbers.</para>
/// <para>The search goes down a tree as wide as a vector register: one comparison and one count per level.</para>
/// </remarks>
internal sealed unsafe class RankTable<T>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    /// <summary>Most thresholds of a column.</summary>
    public const int MaxThresholds = ushort.MaxValue - 1;

    private readonly AlignedArray<T> _levels;
    private readonly int[] _starts;
    private readonly int[] _depths;

    /// <summary>Creates the table.</summary>
    /// <param name="columns">Columns with at most <see cref="MaxThresholds"/> thresholds each.</param>
    public RankTable(ColumnSet columns)
    {
        _starts = new int[columns.Count];
        _depths = new int[columns.Count];
        Thresholds = new double[columns.Count][];
        var size = 0;
        for (var i = 0; i < columns.Count; i++)
        {
            Thresholds[i] = columns.Thresholds(i);
            _starts[i] = size;
            _depths[i] = DepthFor(Thresholds[i].Length);
            for (var level = 1; level <= _depths[i]; level++)
                size += Power(level);
        }

        MaxRank = Thresholds.Max(thresholds => (int?)thresholds.Length) ?? 0;
        _levels = new AlignedArray<T>(size);
        for (var i = 0; i < columns.Count; i++)
            FillLevels(i);
    }

    /// <summary>The largest rank of any column.</summary>
    public int MaxRank { get; }

    /// <summary>The thresholds by column, rising.</summary>
    public double[][] Thresholds { get; }

    public long ByteSize => _levels.ByteSize;

    private static int Fanout => Vector512<T>.Count;

    /// <summary>Returns the index of a threshold in its column.</summary>
    public int IndexOf(int column, double threshold) => Array.BinarySearch(Thresholds[column], threshold);

    /// <summary>Returns the rank of a value that is not NaN; of NaN 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Rank(int column, T value)
    {
        var wanted = Vector512.Create(value);
        var level = _levels.Pointer + _starts[column];
        var rank = 0;
        var size = Fanout;
        for (var depth = _depths[column]; depth > 0; depth--)
        {
            var below = Vector512.LessThan(Vector512.LoadAligned(level + (rank * Fanout)), wanted);
            rank = (rank * Fanout) + BitOperations.PopCount(below.ExtractMostSignificantBits());
            level += size;
            size *= Fanout;
        }

        return rank;
    }

    private static int Power(int level)
    {
        var power = 1;
        for (var i = 0; i < level; i++)
            power *= Fanout;
        return power;
    }

    // One place of the last level stays infinite, so that no value lies behind all of them.
    private static int DepthFor(int count)
    {
        var depth = 1;
        while (Power(depth) <= count)
            depth++;
        return depth;
    }

    private void FillLevels(int column)
    {
        var thresholds = Thresholds[column];
        var level = _levels.Pointer + _starts[column];
        for (var depth = 1; depth <= _depths[column]; depth++)
        {
            // An element of an upper level is the last one of what lies below it.
            var (count, step) = (Power(depth), Power(_depths[column] - depth));
            for (var i = 0; i < count; i++)
            {
                var last = ((i + 1) * step) - 1;
                level[i] = last < thresholds.Length ? T.CreateTruncating(thresholds[last]) : T.PositiveInfinity;
            }

            level += count;
        }
    }
}
