using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Sluice.Http2.Connection;

namespace Sluice.Http2.Sockets;

/// <summary>One connection over a managed socket or a TLS stream; its turns run on the thread pool, one at a time.</summary>
/// <remarks>
/// An idle connection holds no buffer: it waits for data with an empty read. While a read or a write is under way, its memory stays.
/// <para><b>Threads.</b> Any may post; everything else happens within the turn.</para>
/// </remarks>
[SuppressMessage("Reliability", "CA2012", Justification = "one read and one write are under way at most, and each is taken once")]
internal sealed class SocketConnection : IConnectionOwner, IThreadPoolWorkItem
{
    private const int TurnsPerWorkItem = 16;
    private const int ReadsPerTurn = 8;
    private const int GatheredBytes = 16 * 1024;
    private const long LingerMilliseconds = 1000;

    [ThreadStatic]
    private static SocketConnection? _current;

    private readonly ConnectionParts _parts;
    private readonly Socket _socket;
    private readonly Stream _stream;
    private readonly Action<SocketConnection> _onEnded;
    private readonly Http2Connection _connection;
    private readonly ConnectionAge _age;
    private readonly Action _onRead;
    private readonly Action _onWritten;
    private ConfiguredValueTaskAwaitable<int>.ConfiguredValueTaskAwaiter _read;
    private ConfiguredValueTaskAwaitable.ConfiguredValueTaskAwaiter _write;
    private Memory<byte> _scratch;
    private byte[]? _gathered;
    private int _writtenBytes;
    private int _wishes;
    private int _events;
    private long _closesAt = long.MaxValue;
    private bool _wantsTurn;
    private bool _isReading;
    private bool _isReceiving;
    private bool _isWriting;
    private bool _isSevered;
    private bool _isEnded;

    /// <summary>Takes over a connected socket.</summary>
    /// <param name="parts">What connections are made of.</param>
    /// <param name="socket">Owned.</param>
    /// <param name="stream">The socket's stream, or TLS over it; owned.</param>
    /// <param name="onEnded">Called once, at the end, within the turn.</param>
    public SocketConnection(ConnectionParts parts, Socket socket, Stream stream, Action<SocketConnection> onEnded)
    {
        _parts = parts;
        _socket = socket;
        _stream = stream;
        _onEnded = onEnded;
        _age = new ConnectionAge(parts.Options);
        _onRead = () => Post(Event.Read);
        _onWritten = () => Post(Event.Written);
        _connection = parts.Create(this);
    }

    [Flags]
    private enum Event
    {
        Read = 1,
        Written = 2,
        Tick = 4,
        Drain = 8,
        Abort = 16,
    }

    /// <inheritdoc/>
    public bool IsInTurn => _current == this;

    /// <inheritdoc/>
    public void RequestTurn()
    {
        if (IsInTurn)
            _wantsTurn = true;
        else if (Interlocked.Increment(ref _wishes) == 1)
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <summary>Once a second. Any thread, as the next two.</summary>
    public void Tick() => Post(Event.Tick);

    /// <summary>Ends when the calls have ended.</summary>
    public void Drain() => Post(Event.Drain);

    /// <summary>Ends at once.</summary>
    public void Abort() => Post(Event.Abort);

    /// <inheritdoc/>
    public bool TryPostponeLoss()
    {
        if (!_isReading && !_isWriting)
            return false;
        Sever();
        return true;
    }

    /// <inheritdoc/>
    void IThreadPoolWorkItem.Execute()
    {
        for (var i = 0; i < TurnsPerWorkItem; i++)
        {
            var seen = Volatile.Read(ref _wishes);
            _current = this;
            try
            {
                GiveTurn();
            }
            catch (Exception error)
            {
                // Whatever goes wrong with a connection ends that connection and nothing else.
                Http2Log.ConnectionFault(_parts.Logger, error);
                Sever();
            }
            finally
            {
                _current = null;
            }

            if (Interlocked.Add(ref _wishes, (_wantsTurn ? 1 : 0) - seen) == 0)
                return;
            _wantsTurn = false;
        }

        // Others have their turn first.
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    private void Post(Event what)
    {
        Interlocked.Or(ref _events, (int)what);
        RequestTurn();
    }

    private void GiveTurn()
    {
        var events = (Event)Interlocked.Exchange(ref _events, 0);
        if ((events & Event.Written) != 0)
            FinishWrite();
        if ((events & Event.Read) != 0)
            FinishRead();
        if (_isEnded)
        {
            // Handlers that end only now.
            _connection.Turn();
            return;
        }

        if ((events & Event.Drain) != 0)
            _connection.Drain();
        if ((events & Event.Tick) != 0)
            TickNow();
        if ((events & Event.Abort) != 0)
            Sever();
        Read();
        do
        {
            _connection.Turn();
        }
        while (!_isSevered && !_isWriting && !_connection.Output.IsEmpty && Write());

        if (_connection.IsFinished && !_isSevered && !_isWriting && _connection.Output.IsEmpty && _closesAt == long.MaxValue)
            SayEnd();
        EndIfSevered();
    }

    private void TickNow()
    {
        _connection.Tick();
        var now = Environment.TickCount64;
        if (_age.IsOver(now))
            _connection.Drain();
        if (now >= _closesAt || _age.IsGraceOver(now))
            Sever();
    }

    /// <summary>Reads what is there, and waits for more.</summary>
    private void Read()
    {
        for (var i = 0; i < ReadsPerTurn; i++)
        {
            if (_isReading || _isSevered || !BeginRead(isForData: _isReceiving))
                return;
        }

        _wantsTurn = true;
    }

    /// <summary>Begins a read: an empty one that waits, then one for data.</summary>
    /// <returns>True when it has ended already.</returns>
    private bool BeginRead(bool isForData)
    {
        var target = Memory<byte>.Empty;
        if (isForData)
        {
            // The peer reads our last words before it hears of the end; what it still sends is dropped.
            if (_connection.IsFinished)
                target = _scratch = new byte[4096];
            else if (!_connection.TryGetTargets(canLand: false, out _, out target))
                return false;
        }

        try
        {
            _read = _stream.ReadAsync(target).ConfigureAwait(false).GetAwaiter();
        }
        catch (Exception error) when (IsLoss(error))
        {
            if (isForData && _scratch.IsEmpty)
                _connection.Received(0);
            Sever();
            return false;
        }

        _isReading = true;
        if (!_read.IsCompleted)
        {
            _read.UnsafeOnCompleted(_onRead);
            return false;
        }

        FinishRead();
        return true;
    }

    private void FinishRead()
    {
        _isReading = false;
        var count = -1;
        try
        {
            count = _read.GetResult();
        }
        catch (Exception error) when (IsLoss(error))
        {
            // Told as the end of the connection.
        }

        _read = default;
        if (!_isReceiving)
        {
            _isReceiving = count == 0;
            if (count < 0)
                Sever();
            return;
        }

        _isReceiving = false;
        if (!_scratch.IsEmpty)
            _scratch = default;
        else
            _connection.Received(Math.Max(0, count));
        if (count <= 0)
            Sever();
    }

    /// <summary>Gives the next bytes to write: a large piece as it lies, or several copied together, as much as a record of TLS takes.</summary>
    private ReadOnlyMemory<byte> NextBytes()
    {
        var pieces = _connection.Output.Pieces;
        if (pieces.Length == 1 || pieces[0].Length >= GatheredBytes)
            return pieces[0];
        _gathered = ArrayPool<byte>.Shared.Rent(GatheredBytes);
        var filled = 0;
        foreach (var piece in pieces)
        {
            var part = Math.Min(piece.Length, GatheredBytes - filled);
            piece.Span[..part].CopyTo(_gathered.AsSpan(filled));
            filled += part;
        }

        return _gathered.AsMemory(0, filled);
    }

    /// <summary>Writes until a write has to wait.</summary>
    /// <returns>True when everything has left.</returns>
    private bool Write()
    {
        while (!_connection.Output.IsEmpty)
        {
            if (!BeginWrite(NextBytes()))
                return false;
        }

        return true;
    }

    /// <summary>Begins to write a piece; an empty one is the end of all.</summary>
    /// <returns>True when it has ended already, and well.</returns>
    private bool BeginWrite(ReadOnlyMemory<byte> piece)
    {
        try
        {
            var writing = !piece.IsEmpty ? _stream.WriteAsync(piece) : _stream is SslStream tls ? new ValueTask(tls.ShutdownAsync()) : default;
            _write = writing.ConfigureAwait(false).GetAwaiter();
        }
        catch (Exception error) when (IsLoss(error))
        {
            Sever();
            return false;
        }

        _isWriting = true;
        _writtenBytes = piece.Length;
        if (!_write.IsCompleted)
        {
            _write.UnsafeOnCompleted(_onWritten);
            return false;
        }

        FinishWrite();
        return !_isSevered;
    }

    private void FinishWrite()
    {
        _isWriting = false;
        if (_gathered is not null)
            ArrayPool<byte>.Shared.Return(_gathered);
        _gathered = null;
        try
        {
            _write.GetResult();
            if (_closesAt == long.MaxValue)
                _connection.Sent(_writtenBytes);
            else
                _socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception error) when (IsLoss(error))
        {
            Sever();
        }

        _write = default;
    }

    private void SayEnd()
    {
        _closesAt = Environment.TickCount64 + LingerMilliseconds;
        BeginWrite(default);
    }

    /// <summary>Closes the socket, which ends the read and the write that may be under way.</summary>
    private void Sever()
    {
        if (_isSevered)
            return;
        _isSevered = true;
        _socket.Dispose();
        _wantsTurn = true;
    }

    private void EndIfSevered()
    {
        if (!_isSevered || _isReading || _isWriting)
            return;
        _isEnded = true;
        try
        {
            _connection.Lost();
            _connection.Turn();
        }
        finally
        {
            _onEnded(this);
            _stream.Dispose();
        }
    }

    private static bool IsLoss(Exception error) =>
        error is IOException or SocketException or ObjectDisposedException or OperationCanceledException or InvalidOperationException;
}
