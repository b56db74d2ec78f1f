using Sluice.Rpc.Dispatch;

namespace Sluice.Http2.Connection;

/// <summary>The streams of a connection: those that the protocol knows, and objects kept for the next.</summary>
/// <remarks><b>Threads.</b> The turn.</remarks>
internal sealed class StreamTable(Http2Connection connection, RpcDispatcher dispatcher)
{
    private const int KeptStreams = 256;
    private const int RememberedResets = 128;

    private readonly Dictionary<int, Http2Stream> _open = [];
    private readonly Stack<Http2Stream> _idle = new();
    private readonly int[] _resets = new int[RememberedResets];
    private int _resetCount;

    /// <summary>Streams that the protocol knows.</summary>
    public Dictionary<int, Http2Stream>.ValueCollection Open => _open.Values;

    /// <summary>Streams whose call has not ended, those reset included: a reset does not make room for more work.</summary>
    public int BusyCount { get; private set; }

    /// <summary>The highest number that the client has used.</summary>
    public int LastId { get; private set; }

    /// <summary>Finds a stream that the protocol knows.</summary>
    public bool TryGet(int id, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Http2Stream? stream) =>
        _open.TryGetValue(id, out stream);

    /// <summary>Tells whether a stream object is the one that the protocol knows by its number.</summary>
    public bool Contains(Http2Stream stream) => _open.TryGetValue(stream.Id, out var open) && open == stream;

    /// <summary>Notes a number as used.</summary>
    public void Use(int id) => LastId = id;

    /// <summary>Tells whether a stream is one of the last that we reset.</summary>
    public bool WasReset(int id) => _resets.AsSpan().Contains(id);

    /// <summary>Remembers that we reset a stream: what the peer had under way is ignored (RFC 9113 §5.1).</summary>
    public void NoteReset(int id) => _resets[_resetCount++ % RememberedResets] = id;

    /// <summary>Takes an object for a new stream.</summary>
    public Http2Stream Add(int id)
    {
        if (!_idle.TryPop(out var stream))
            stream = new Http2Stream(connection, dispatcher);
        BusyCount++;
        _open.Add(id, stream);
        return stream;
    }

    /// <summary>Removes a stream from the protocol's sight.</summary>
    public void Remove(Http2Stream stream)
    {
        if (Contains(stream))
            _open.Remove(stream.Id);
    }

    /// <summary>Keeps an object for the next stream.</summary>
    public void Keep(Http2Stream stream)
    {
        BusyCount--;
        if (_idle.Count < KeptStreams)
            _idle.Push(stream);
    }
}
