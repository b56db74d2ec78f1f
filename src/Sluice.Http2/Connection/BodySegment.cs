using System.Buffers;

namespace Sluice.Http2.Connection;

/// <summary>One piece of a request's body, lying in a receive buffer that it keeps.</summary>
internal sealed class BodySegment : ReadOnlySequenceSegment<byte>
{
    private ReceiveSegment? _segment;

    /// <summary>The next piece.</summary>
    public BodySegment? Following => (BodySegment?)Next;

    /// <summary>Takes a piece and puts itself behind another.</summary>
    public void Set(ReceiveSegment segment, ReadOnlyMemory<byte> bytes, BodySegment? previous)
    {
        _segment = segment;
        Memory = bytes;
        RunningIndex = previous is null ? 0 : previous.RunningIndex + previous.Memory.Length;
        if (previous is not null)
            previous.Next = this;
    }

    /// <summary>Lets go of the receive buffer.</summary>
    public void Clear()
    {
        _segment!.Release();
        _segment = null;
        Memory = default;
        Next = null;
    }
}
