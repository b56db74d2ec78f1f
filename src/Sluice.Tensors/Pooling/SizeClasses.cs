using System.Numerics;

namespace Sluice.Tensors;

/// <summary>Sizes a buffer may have: from 64 bytes up, four steps for each power of two (at most 25 % is wasted).</summary>
internal static class SizeClasses
{
    public const int Smallest = 64;

    /// <summary>The class of <see cref="int.MaxValue"/> is the last one.</summary>
    public const int Count = 101;

    public static int IndexOf(int length)
    {
        if (length <= Smallest) return 0;
        var last = (uint)length - 1;
        var log = BitOperations.Log2(last);
        return ((log - 6) * 4) + (int)((last >> (log - 2)) & 3) + 1;
    }

    public static int CapacityOf(int index)
    {
        if (index == 0) return Smallest;
        var capacity = (long)(5 + ((index - 1) & 3)) << (((index - 1) >> 2) + 4);
        return (int)Math.Min(capacity, int.MaxValue);
    }
}
