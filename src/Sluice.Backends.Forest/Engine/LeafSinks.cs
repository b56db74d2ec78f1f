using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Sluice.Backends.Forest.Engine;

/// <summary>Adds leaves up, one sum per row.</summary>
internal unsafe struct SingleSum<T> : ILeafSink
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    public T* Values;
    public T* Sums;

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public readonly void Take(int row, int tree, int* places, int count)
    {
        var values = Values;
        var sum = Sums[row];
        for (nint i = 0; i < count; i++)
            sum += values[places[i]];
        Sums[row] = sum;
    }

    /// <summary>Takes those of a row and the next: an addition waits for the one before it, but not for the other row's.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public readonly void TakeTwo(int row, int* places, int* otherPlaces, int count)
    {
        var values = Values;
        var (sum, otherSum) = (Sums[row], Sums[row + 1]);
        for (nint i = 0; i < count; i++)
        {
            sum += values[places[i]];
            otherSum += values[otherPlaces[i]];
        }

        Sums[row] = sum;
        Sums[row + 1] = otherSum;
    }
}

/// <summary>Adds leaves up, each into the output of its tree.</summary>
internal unsafe struct SeveralSums<T> : ILeafSink
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    public T* Values;
    public T* Sums;
    public int* OutputOf;
    public int Width;

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public readonly void Take(int row, int tree, int* places, int count)
    {
        var values = Values;
        var sums = Sums + (row * Width);
        var outputs = OutputOf + tree;
        for (nint i = 0; i < count; i++)
            sums[outputs[i]] += values[places[i]];
    }
}

/// <summary>Adds up leaves that hold a value for each output.</summary>
internal unsafe struct VectorSums<T> : ILeafSink
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    public T* Vectors;
    public int* LeafAt;
    public T* Sums;
    public int Width;

    public readonly void Take(int row, int tree, int* places, int count)
    {
        var to = Sums + (row * Width);
        for (var i = 0; i < count; i++)
            Add(Vectors + ((long)LeafAt[places[i]] * Width), to);
    }

    private readonly void Add(T* from, T* to)
    {
        var i = 0;
        for (; i <= Width - Vector256<T>.Count; i += Vector256<T>.Count)
            (Vector256.Load(to + i) + Vector256.Load(from + i)).Store(to + i);
        for (; i < Width; i++)
            to[i] += from[i];
    }
}

/// <summary>Keeps the leaves, numbered within their trees.</summary>
internal unsafe struct LeafSink : ILeafSink
{
    public int* Leaves;
    public int* FirstLeaves;
    public int* LeafAt;
    public int TreeCount;

    public readonly void Take(int row, int tree, int* places, int count)
    {
        for (var i = tree; i < tree + count; i++)
            Leaves[(row * TreeCount) + i] = LeafAt[places[i - tree]] - FirstLeaves[i];
    }
}
