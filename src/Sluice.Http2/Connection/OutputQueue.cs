using System.Buffers;

namespace Sluice.Http2.Connection;

/// <summary>What a stream's writer has written and the connection has not taken yet.</summary>
/// <remarks><b>Threads.</b> One writer; the connection's turn takes. What is published is guarded by a lock of a few
/// instructions; bytes themselves are copied outside of it.</remarks>
internal sealed class OutputQueue
{
    private const int FirstChunkBytes = 1024;
    private const int LargestChunkBytes = 64 * 1024;

    private readonly object _gate = new();
    private readonly Chunk _first = new() { Bytes = new byte[FirstChunkBytes] };
    private Chunk? _spare;
    private Chunk _head;
    private Chunk _tail;
    private int _written;
    private long _published;

    public OutputQueue() => _head = _tail = _first;

    /// <summary>Bytes that the turn may take.</summary>
    public long Published => Interlocked.Read(ref _published);

    /// <summary>Room for the writer.</summary>
    public Memory<byte> GetMemory(int sizeHint)
    {
        if (_tail.Lent is not null || _tail.Bytes.Length - _written < Math.Max(1, sizeHint))
            AddChunk(sizeHint);
        return _tail.Bytes.AsMemory(_written);
    }

    /// <summary>The writer has used so many bytes of the room.</summary>
    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)count, (uint)(_tail.Bytes.Length - _written), nameof(count));
        _written += count;
    }

    /// <summary>Lets the turn take what was written.</summary>
    public void Publish()
    {
        lock (_gate)
        {
            _published += _written - _tail.Published;
            _tail.Published = _written;
        }
    }

    /// <summary>Publishes the caller's own memory behind what was written.</summary>
    public void PublishLent(ReadOnlyMemory<byte> memory)
    {
        Publish();
        lock (_gate)
        {
            var chunk = TakeSpare();
            chunk.Lent = memory;
            chunk.Published = _written = memory.Length;
            _tail.Next = chunk;
            _tail = chunk;
            _published += memory.Length;
        }
    }

    /// <summary>Gives the next published piece. In the turn.</summary>
    /// <param name="most">Bytes at most.</param>
    /// <param name="isLent">The memory stays valid until <c>SendAsync</c> has completed; else until <see cref="Take"/>.</param>
    /// <param name="isLast">No other piece lies behind it.</param>
    public ReadOnlyMemory<byte> Peek(int most, out bool isLent, out bool isLast)
    {
        lock (_gate)
        {
            while (_head.Taken == _head.Published && _head.Next is { } next)
            {
                Free(_head);
                _head = next;
            }

            isLent = _head.Lent is not null;
            isLast = _head.Next is null;
            var bytes = _head.Lent ?? _head.Bytes;
            return bytes.Slice(_head.Taken, Math.Min(most, _head.Published - _head.Taken));
        }
    }

    /// <summary>Counts the bytes before the next lent memory. In the turn.</summary>
    /// <param name="most">Bytes at most.</param>
    public int CopyableLength(int most)
    {
        lock (_gate)
        {
            var length = 0;
            for (var chunk = _head; chunk is { Lent: null } && length < most; chunk = chunk.Next)
                length += chunk.Published - chunk.Taken;
            return Math.Min(length, most);
        }
    }

    /// <summary>Removes bytes from the front. In the turn.</summary>
    public void Take(int count)
    {
        lock (_gate)
        {
            _head.Taken += count;
            _published -= count;
        }
    }

    /// <summary>Drops everything; nobody writes or takes any more.</summary>
    public void Reset()
    {
        for (var chunk = _head; chunk is not null;)
        {
            var next = chunk.Next;
            Free(chunk);
            chunk = next;
        }

        _first.Taken = _first.Published = 0;
        _first.Next = null;
        _head = _tail = _first;
        _written = 0;
        _published = 0;
    }

    private void AddChunk(int sizeHint)
    {
        var size = Math.Max(sizeHint, Math.Clamp(_tail.Bytes.Length * 4, 4 * FirstChunkBytes, LargestChunkBytes));
        var bytes = ArrayPool<byte>.Shared.Rent(size);
        lock (_gate)
        {
            var chunk = TakeSpare();
            chunk.Bytes = bytes;
            _published += _written - _tail.Published;
            _tail.Published = _written;
            _tail.Next = chunk;
            _tail = chunk;
            _written = 0;
        }
    }

    private Chunk TakeSpare()
    {
        if (_spare is not { } chunk)
            return new Chunk();
        _spare = chunk.Next;
        chunk.Next = null;
        return chunk;
    }

    /// <summary>Keeps a chunk for later, without its memory.</summary>
    private void Free(Chunk chunk)
    {
        if (chunk == _first)
            return;
        if (chunk.Lent is null)
            ArrayPool<byte>.Shared.Return(chunk.Bytes);
        chunk.Bytes = [];
        chunk.Lent = null;
        chunk.Published = chunk.Taken = 0;
        chunk.Next = _spare;
        _spare = chunk;
    }

    private sealed class Chunk
    {
        public byte[] Bytes { get; set; } = [];

        public ReadOnlyMemory<byte>? Lent { get; set; }

        public int Published { get; set; }

        public int Taken { get; set; }

        public Chunk? Next { get; set; }
    }
}
