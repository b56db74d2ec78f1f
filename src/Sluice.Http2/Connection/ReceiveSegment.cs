using System.Collections.Concurrent;
using Sluice.Tensors;

namespace Sluice.Http2.Connection;

/// <summary>Memory into which a connection receives; calls keep parts of it while they read them in place.</summary>
/// <remarks><b>Ownership.</b> Counted: the connection holds one reference, each part that a body keeps another. The last
/// one returns the memory and keeps the object for another connection. <b>Threads.</b> Any may release; only the
/// connection's turn adds.</remarks>
internal sealed class ReceiveSegment
{
    private const int MostKept = 256;
    private static readonly ConcurrentQueue<ReceiveSegment> Idle = new();

    private TensorBuffer? _buffer;
    private int _references;

    /// <summary>All of its memory.</summary>
    public Memory<byte> Memory => _buffer!.Memory;

    /// <summary>Bytes that the connection has received into it.</summary>
    public int Filled { get; set; }

    /// <summary>Nobody but the connection uses it; its bytes may be moved and overwritten.</summary>
    public bool IsUnshared => Volatile.Read(ref _references) == 1;

    /// <summary>Gives a segment with one reference.</summary>
    /// <param name="buffer">Taken.</param>
    public static ReceiveSegment Over(TensorBuffer buffer)
    {
        if (!Idle.TryDequeue(out var segment))
            segment = new ReceiveSegment();
        segment._buffer = buffer;
        segment._references = 1;
        segment.Filled = 0;
        return segment;
    }

    /// <summary>Keeps the memory for one more user.</summary>
    public void AddReference() => Interlocked.Increment(ref _references);

    /// <summary>Ends one use.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _references) != 0)
            return;
        _buffer!.Dispose();
        _buffer = null;
        if (Idle.Count < MostKept)
            Idle.Enqueue(this);
    }
}
