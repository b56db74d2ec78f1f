namespace Sluice.Tensors;

/// <summary>Idle buffers of one core: two of each size class, taken and put by one atomic exchange each.</summary>
/// <remarks>
/// By core and not by thread, so that the number of idle buffers is bounded however many threads come and go, and
/// trimming reaches all of them.
/// </remarks>
internal sealed class CoreCache
{
    private const int Depth = 2;

    // A buffer larger than this costs more to keep idle on each core than a visit to the shared stack.
    private static readonly int LargestClass = SizeClasses.IndexOf(1 << 20);

    private readonly TensorBuffer?[] _slots = new TensorBuffer?[(LargestClass + 1) * Depth];

    public TensorBuffer? Take(int sizeClass)
    {
        if (sizeClass > LargestClass) return null;
        ref var first = ref _slots[sizeClass * Depth];
        if (first is not null && Interlocked.Exchange(ref first, null) is { } buffer) return buffer;
        ref var second = ref _slots[(sizeClass * Depth) + 1];
        return second is null ? null : Interlocked.Exchange(ref second, null);
    }

    public bool TryPut(TensorBuffer buffer)
    {
        if (buffer.SizeClass > LargestClass) return false;
        ref var first = ref _slots[buffer.SizeClass * Depth];
        if (first is null && Interlocked.CompareExchange(ref first, buffer, null) is null) return true;
        ref var second = ref _slots[(buffer.SizeClass * Depth) + 1];
        return second is null && Interlocked.CompareExchange(ref second, buffer, null) is null;
    }

    /// <summary>Takes the buffers returned at or before a moment, linked by <see cref="TensorBuffer.Next"/>.</summary>
    public TensorBuffer? TakeIdleSince(int sizeClass, long timestamp)
    {
        if (sizeClass > LargestClass) return null;
        TensorBuffer? taken = null;
        for (var i = 0; i < Depth; i++)
        {
            // Only what was seen idle long enough is taken: a newer one put in between stays.
            ref var slot = ref _slots[(sizeClass * Depth) + i];
            var seen = Volatile.Read(ref slot);
            if (seen is null || seen.ReturnedAt > timestamp) continue;
            if (!ReferenceEquals(Interlocked.CompareExchange(ref slot, null, seen), seen)) continue;
            seen.Next = taken;
            taken = seen;
        }

        return taken;
    }

    public int CountOf(int sizeClass)
    {
        if (sizeClass > LargestClass) return 0;
        var first = Volatile.Read(ref _slots[sizeClass * Depth]) is null ? 0 : 1;
        return first + (Volatile.Read(ref _slots[(sizeClass * Depth) + 1]) is null ? 0 : 1);
    }
}
