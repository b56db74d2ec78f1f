using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Sluice.Http2.Connection;
using Sluice.Inference;

namespace Sluice.Http2.Epoll;

/// <summary>One thread that reads, serves and writes its connections until they end.</summary>
/// <remarks>
/// <para>An iteration takes what is there on all connections, runs the handlers as far as they go, then the batches that these
/// deferred (<see cref="ThreadTurn"/>), and writes each connection once.</para>
/// <para><b>Threads.</b> <see cref="Adopt"/>, <see cref="Post"/>, <see cref="BeginDrain"/> and <see cref="Stop"/> from any; all
/// else on the loop's own.</para>
/// </remarks>
internal sealed class EpollLoop : IDisposable
{
    private const long WakeUpToken = -1;
    private const long ListenerToken = -2;
    private const int EventsPerWait = 256;
    private const int AcceptsPerTurn = 64;
    private const int TickMilliseconds = 1000;

    [ThreadStatic]
    private static EpollLoop? _current;

    private readonly ConnectionParts _parts;
    private readonly ILogger _logger;
    private readonly int _epoll = LibC.CreateEpoll();
    private readonly int _wakeUp = LibC.CreateWakeUp();
    private readonly Thread _thread;
    private readonly Dictionary<long, EpollConnection> _connections = [];
    private readonly List<EpollConnection> _dirty = [];
    private readonly List<EpollConnection> _working = [];
    private readonly System.Collections.Concurrent.ConcurrentQueue<int> _adopted = new();
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private EpollConnection? _posted;
    private Action<int>? _onAccepted;
    private int _listener = -1;
    private bool _listensTcp;
    private long _nextToken;
    private long _nextTick;
    private int _isSleeping;
    private int _connectionCount;
    private bool _hasBegunDrain;
    private volatile bool _isDraining;
    private volatile bool _isStopped;

    public EpollLoop(ConnectionParts parts, int number)
    {
        _parts = parts;
        _logger = parts.Logger;
        if (_epoll < 0 || _wakeUp < 0)
            throw new IOException($"no event loop can be made: errno {Marshal.GetLastPInvokeError()}");
        LibC.Add(_epoll, _wakeUp, LibC.EventIn, WakeUpToken);
        _thread = new Thread(Run) { IsBackground = true, Name = $"http2-{number}" };
    }

    /// <summary>Connections that live here, those on their way included; for balancing.</summary>
    public int ConnectionCount => Volatile.Read(ref _connectionCount);

    /// <summary>Ends when a drain has ended all connections.</summary>
    public Task Drained => _drained.Task;

    /// <summary>The calling thread is the loop's.</summary>
    public bool IsCurrent => _current == this;

    /// <summary>What connections are made of.</summary>
    public ConnectionParts Parts => _parts;

    /// <summary>Begins to run.</summary>
    public void Start() => _thread.Start();

    /// <summary>Accepts connections of a listening socket; before <see cref="Start"/>.</summary>
    public void Listen(int listener, bool isTcp, Action<int> onAccepted)
    {
        _listener = listener;
        _listensTcp = isTcp;
        _onAccepted = onAccepted;
        LibC.Add(_epoll, listener, LibC.EventIn, ListenerToken);
    }

    /// <summary>Takes over a connected socket.</summary>
    public void Adopt(int descriptor)
    {
        Interlocked.Increment(ref _connectionCount);
        if (IsCurrent)
        {
            Begin(descriptor);
            return;
        }

        _adopted.Enqueue(descriptor);
        WakeUp();
    }

    /// <summary>Gives a connection a turn soon. From another thread.</summary>
    public void Post(EpollConnection connection)
    {
        EpollConnection? head;
        do
        {
            head = Volatile.Read(ref _posted);
            connection.NextPosted = head;
        }
        while (Interlocked.CompareExchange(ref _posted, connection, head) != head);
        WakeUp();
    }

    /// <summary>Gives a connection a turn at the end of this iteration. On the loop's thread.</summary>
    public void MarkDirty(EpollConnection connection) => _dirty.Add(connection);

    /// <summary>Accepts no more and ends connections as their calls end.</summary>
    public void BeginDrain()
    {
        _isDraining = true;
        WakeUp();
    }

    /// <summary>Ends at once whatever is left, and the thread.</summary>
    public void Stop()
    {
        _isStopped = true;
        WakeUp();
        if (_thread.IsAlive)
            _thread.Join();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Stop();
        LibC.Close(_epoll);
        LibC.Close(_wakeUp);
    }

    /// <summary>Begins or ends to wait until a socket takes more.</summary>
    public void Watch(EpollConnection connection, bool forRoom) =>
        LibC.Modify(
            _epoll, connection.Descriptor, forRoom ? LibC.EventIn | LibC.EventOut : LibC.EventIn, connection.Token);

    /// <summary>Watches a connection no more and closes its socket.</summary>
    public void Forget(EpollConnection connection)
    {
        if (!_connections.Remove(connection.Token))
            return;
        LibC.Remove(_epoll, connection.Descriptor);
        LibC.Close(connection.Descriptor);
        Interlocked.Decrement(ref _connectionCount);
        _parts.Connections.OnClosed();
    }

    private void Run()
    {
        _current = this;
        ThreadTurn.Enter();
        var events = new byte[LibC.BufferSize(EventsPerWait)];
        var hasMore = false;
        while (!_isStopped)
        {
            var count = LibC.Wait(_epoll, events, hasMore ? 0 : Sleep());
            Volatile.Write(ref _isSleeping, 0);
            for (var i = 0; i < count; i++)
            {
                var (what, token) = LibC.ReadEvent(events, i);
                Handle(what, token);
            }

            hasMore = ThreadTurn.RunDeferred();
            TakePosted();
            hasMore |= GiveTurns();
            if (Environment.TickCount64 >= _nextTick)
                Tick();
            if (_hasBegunDrain && _connections.Count == 0 && _adopted.IsEmpty)
                _drained.TrySetResult();
        }

        foreach (var connection in _connections.Values.ToArray())
            connection.Abort();
        _current = null;
    }

    /// <summary>Whatever goes wrong with a connection ends that connection and nothing else.</summary>
    private void Attempt(EpollConnection connection, uint events, Action<EpollConnection, uint> action)
    {
        try
        {
            action(connection, events);
        }
        catch (Exception error)
        {
            Http2Log.ConnectionFault(_logger, error);
            End(connection);
        }
    }

    private void End(EpollConnection connection)
    {
        Forget(connection);
        try
        {
            connection.Abort();
        }
        catch (Exception error)
        {
            Http2Log.ConnectionFault(_logger, error);
        }
    }

    /// <summary>Says how long the thread may wait, after others have been told that it does.</summary>
    private int Sleep()
    {
        Interlocked.Exchange(ref _isSleeping, 1);
        if (Volatile.Read(ref _posted) is not null || !_adopted.IsEmpty || _isStopped || (_isDraining && !_hasBegunDrain))
            return 0;
        return _connections.Count == 0 ? -1 : (int)Math.Clamp(_nextTick - Environment.TickCount64, 0, TickMilliseconds);
    }

    private void WakeUp()
    {
        if (Interlocked.Exchange(ref _isSleeping, 0) == 1)
            LibC.Wake(_wakeUp);
    }

    private void Handle(uint what, long token)
    {
        if (token == WakeUpToken)
            LibC.ClearWakeUp(_wakeUp);
        else if (token == ListenerToken)
            AcceptAll();
        else if (_connections.TryGetValue(token, out var connection))
            Attempt(connection, what, static (one, events) => one.Handle(events));
    }

    private void AcceptAll()
    {
        for (var i = 0; i < AcceptsPerTurn && _listener >= 0; i++)
        {
            var descriptor = LibC.Accept(_listener, _listensTcp);
            if (descriptor < 0)
            {
                var errno = Marshal.GetLastPInvokeError();
                if (errno is not (LibC.TryAgain or LibC.InterruptedCall))
                    Http2Log.AcceptFailed(_logger, errno);
                return;
            }

            _onAccepted!(descriptor);
        }
    }

    private void Begin(int descriptor)
    {
        var connection = new EpollConnection(this, descriptor, _nextToken++);
        _connections.Add(connection.Token, connection);
        _parts.Connections.OnOpened();
        if (!LibC.Add(_epoll, descriptor, LibC.EventIn, connection.Token))
            connection.Abort();
        else if (_hasBegunDrain)
            connection.Drain();
        else
            connection.RequestTurn();
    }

    private void TakePosted()
    {
        while (_adopted.TryDequeue(out var descriptor))
            Begin(descriptor);
        if (Volatile.Read(ref _posted) is null)
            return;
        for (var connection = Interlocked.Exchange(ref _posted, null); connection is not null;)
        {
            var next = connection.NextPosted;
            connection.NextPosted = null;
            connection.Unpost();
            connection.RequestTurn();
            connection = next;
        }
    }

    private bool GiveTurns()
    {
        if (_isDraining && !_hasBegunDrain)
            Drain();
        _working.AddRange(_dirty);
        _dirty.Clear();
        foreach (var connection in _working)
            Attempt(connection, 0, static (one, _) => one.GiveTurn());
        _working.Clear();
        return _dirty.Count > 0;
    }

    private void Tick()
    {
        _nextTick = Environment.TickCount64 + TickMilliseconds;
        foreach (var connection in _connections.Values.ToArray())
            Attempt(connection, 0, static (one, _) => one.Tick());
    }

    private void Drain()
    {
        _hasBegunDrain = true;
        if (_listener >= 0)
            LibC.Remove(_epoll, _listener);
        _listener = -1;
        foreach (var connection in _connections.Values.ToArray())
            connection.Drain();
    }
}
