using System.Runtime.InteropServices;
using Sluice.Http2.Connection;

namespace Sluice.Http2.Epoll;

/// <summary>One connection's socket on its loop.</summary>
/// <remarks><b>Threads.</b> The loop's; <see cref="RequestTurn"/> from any.</remarks>
internal sealed class EpollConnection : IConnectionOwner
{
    private const int ReadsPerTurn = 8;

    private readonly EpollLoop _loop;
    private readonly Http2Connection _connection;
    private readonly ConnectionAge _age;
    private int _isPosted;
    private bool _isDirty;
    private bool _isTurnSure;
    private bool _waitsForRoom;
    private bool _isClosed;
    private long _closesAt = long.MaxValue;

    public EpollConnection(EpollLoop loop, int descriptor, long token)
    {
        _loop = loop;
        Descriptor = descriptor;
        Token = token;
        _age = new ConnectionAge(loop.Parts.Options);
        _connection = loop.Parts.Create(this);
    }

    /// <summary>The socket.</summary>
    public int Descriptor { get; }

    /// <summary>Names the connection in events.</summary>
    public long Token { get; }

    /// <summary>Link of the loop's list of posted connections.</summary>
    public EpollConnection? NextPosted { get; set; }

    /// <inheritdoc/>
    public bool IsInTurn => _loop.IsCurrent;

    /// <inheritdoc/>
    public void RequestTurn()
    {
        if (_loop.IsCurrent)
        {
            // What a write sets free is looked at in the turn that follows it.
            if (_isDirty || _isTurnSure)
                return;
            _isDirty = true;
            _loop.MarkDirty(this);
        }
        else if (Interlocked.Exchange(ref _isPosted, 1) == 0)
        {
            _loop.Post(this);
        }
    }

    /// <inheritdoc/>
    /// <remarks>Reads and writes end within the turn.</remarks>
    public bool TryPostponeLoss() => false;

    /// <summary>The loop has taken the connection from its list.</summary>
    public void Unpost() => Volatile.Write(ref _isPosted, 0);

    /// <summary>The socket has something for us.</summary>
    public void Handle(uint events)
    {
        if ((events & LibC.EventOut) != 0)
        {
            _waitsForRoom = false;
            _loop.Watch(this, forRoom: false);
        }

        if ((events & (LibC.EventIn | LibC.EventError | LibC.EventHangUp)) != 0)
            Read();
        RequestTurn();
    }

    /// <summary>Serves, answers, and closes when all is said.</summary>
    public void GiveTurn()
    {
        _isDirty = false;
        do
        {
            _connection.Turn();
        }
        while (!_isClosed && !_waitsForRoom && !_connection.Output.IsEmpty && Write());

        if (_connection.IsFinished && !_isClosed && _connection.Output.IsEmpty && _closesAt == long.MaxValue)
        {
            // The peer reads our last words before it hears of the end; what it still sends is read and dropped.
            LibC.EndSending(Descriptor);
            _closesAt = Environment.TickCount64 + 1000;
        }
    }

    /// <summary>Once a second.</summary>
    public void Tick()
    {
        _connection.Tick();
        var now = Environment.TickCount64;
        if (_age.IsOver(now))
            _connection.Drain();
        if (now >= _closesAt || _age.IsGraceOver(now))
            Abort();
        else
            RequestTurn();
    }

    /// <summary>Ends when the calls have ended.</summary>
    public void Drain()
    {
        _connection.Drain();
        RequestTurn();
    }

    /// <summary>Ends at once.</summary>
    public void Abort()
    {
        if (_isClosed)
            return;
        _isClosed = true;
        _connection.Lost();
        _loop.Forget(this);
    }

    private void Read()
    {
        for (var i = 0; i < ReadsPerTurn && !_isClosed; i++)
        {
            if (_connection.IsFinished)
            {
                DropInput();
                return;
            }

            if (!_connection.TryGetTargets(canLand: true, out var landing, out var buffer))
                return;
            var count = LibC.Receive(Descriptor, landing, buffer);
            if (count <= 0)
            {
                if (count == 0 || !IsForLater())
                    Abort();
                return;
            }

            _connection.Received((int)count);
            if (count < landing.Length + buffer.Length)
                return;
        }
    }

    private void DropInput()
    {
        var bytes = new byte[16 * 1024];
        var count = LibC.Receive(Descriptor, default, bytes);
        if (count == 0 || (count < 0 && !IsForLater()))
            Abort();
    }

    private bool Write()
    {
        var sent = LibC.Send(Descriptor, _connection.Output.Pieces);
        if (sent < 0)
        {
            if (!IsForLater())
            {
                Abort();
                return false;
            }

            sent = 0;
        }

        _isTurnSure = sent > 0;
        _connection.Sent(sent);
        _isTurnSure = false;
        if (sent > 0)
            return true;
        _waitsForRoom = true;
        _loop.Watch(this, forRoom: true);
        return false;
    }

    private static bool IsForLater() => Marshal.GetLastPInvokeError() is LibC.TryAgain or LibC.InterruptedCall;
}
