namespace Sluice.Tensors;

/// <summary>Idle buffers of one size class, newest on top, linked through the buffers themselves.</summary>
/// <remarks>The lock is held for a few instructions only; freeing happens outside it.</remarks>
internal sealed class BufferStack
{
    private TensorBuffer? _top;
    private int _count;
    private int _locked;

    public int Count => Volatile.Read(ref _count);

    public void Push(TensorBuffer buffer)
    {
        Enter();
        buffer.Next = _top;
        _top = buffer;
        _count++;
        Exit();
    }

    public TensorBuffer? Pop()
    {
        if (Volatile.Read(ref _count) == 0) return null;
        Enter();
        var buffer = _top;
        if (buffer is not null)
        {
            _top = buffer.Next;
            buffer.Next = null;
            _count--;
        }

        Exit();
        return buffer;
    }

    /// <summary>Cuts off every buffer returned at or before a moment; they lie at the bottom.</summary>
    /// <returns>The buffers cut off, linked by <see cref="TensorBuffer.Next"/>.</returns>
    public TensorBuffer? CutIdleSince(long timestamp)
    {
        Enter();
        TensorBuffer? keep = null;
        var kept = 0;
        var cut = _top;
        while (cut is not null && cut.ReturnedAt > timestamp)
        {
            keep = cut;
            cut = cut.Next;
            kept++;
        }

        if (keep is null) _top = null;
        else keep.Next = null;
        _count = kept;
        Exit();
        return cut;
    }

    private void Enter()
    {
        var spin = default(SpinWait);
        while (Interlocked.CompareExchange(ref _locked, 1, 0) != 0) spin.SpinOnce();
    }

    private void Exit() => Volatile.Write(ref _locked, 0);
}
