using System.Collections.Concurrent;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Sluice.Http2.Connection;
using Sluice.Rpc.Transport;

namespace Sluice.Http2.Sockets;

/// <summary>Accepts connections on a managed socket, with TLS if there is any, and looks after them.</summary>
/// <remarks><b>Threads.</b> One caller.</remarks>
internal sealed class SocketAcceptor : IAsyncDisposable
{
    private static readonly TimeSpan TickPeriod = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan PauseAfterFailure = TimeSpan.FromMilliseconds(100);

    private readonly ConnectionParts _parts;
    private readonly TlsCertificates? _certificates;
    private readonly ConcurrentDictionary<SocketConnection, bool> _connections = [];
    private readonly Handshakes _handshakes;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ITimer _timer;
    private int _count;
    private volatile bool _isDraining;
    private Task _accepting = Task.CompletedTask;

    /// <summary>Reads the certificates.</summary>
    /// <exception cref="IOException">A certificate cannot be read.</exception>
    public SocketAcceptor(ConnectionParts parts, TlsCertificates? certificates)
    {
        _parts = parts;
        _certificates = certificates;
        _handshakes = new Handshakes(parts.Options.Limits.MaxHandshakes);
        _timer = parts.Time.CreateTimer(_ => TickAll(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Begins to accept.</summary>
    public void Start(Socket listener)
    {
        _timer.Change(TickPeriod, TickPeriod);
        _accepting = AcceptAllAsync(listener);
    }

    /// <summary>Accepts no more, lets the calls end, closes connections.</summary>
    /// <param name="cancellationToken">Ends the waiting: what still runs is aborted.</param>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _accepting.ConfigureAwait(false);
        _isDraining = true;
        foreach (var connection in _connections.Keys)
            connection.Drain();
        if (Volatile.Read(ref _count) == 0)
            _drained.TrySetResult();
        try
        {
            await _drained.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            foreach (var connection in _connections.Keys)
                connection.Abort();
            await _drained.Task.ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(new CancellationToken(canceled: true)).ConfigureAwait(false);
        await _timer.DisposeAsync().ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async Task AcceptAllAsync(Socket listener)
    {
        await Task.Yield();
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                var socket = await listener.AcceptAsync(_stopping.Token).ConfigureAwait(false);
                Interlocked.Increment(ref _count);
                _parts.Connections.OnOpened();
                _ = BeginAsync(socket);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (SocketException error)
            {
                // Such as too many open files: those that are open go on, and later ones may fit.
                Http2Log.AcceptFailed(_parts.Logger, error.NativeErrorCode);
                await Task.Delay(PauseAfterFailure, _parts.Time, CancellationToken.None).ConfigureAwait(false);
            }
        }
    }

    private async Task BeginAsync(Socket socket)
    {
        var isServed = false;
        Stream? stream = null;
        try
        {
            if (socket.ProtocolType == ProtocolType.Tcp)
                socket.NoDelay = true;
            stream = new NetworkStream(socket, ownsSocket: true);
            if (_certificates is not null)
                stream = await AuthenticateAsync(stream).ConfigureAwait(false);
            var connection = new SocketConnection(_parts, socket, stream, End);
            _connections[connection] = true;
            isServed = true;
            if (_isDraining)
                connection.Drain();
            else
                connection.RequestTurn();
        }
        catch (Exception error) when (error is IOException or AuthenticationException or OperationCanceledException or SocketException or ObjectDisposedException)
        {
            Http2Log.HandshakeFailed(_parts.Logger, error.Message);
        }
        finally
        {
            if (!isServed)
            {
                if (stream is not null)
                    await stream.DisposeAsync().ConfigureAwait(false);
                socket.Dispose();
                Closed();
            }
        }
    }

    private async Task<Stream> AuthenticateAsync(Stream stream)
    {
        var tls = new SslStream(stream, leaveInnerStreamOpen: false);
        using var limit = new CancellationTokenSource(_parts.Options.Limits.HandshakeTimeout, _parts.Time);
        using var stopping = _stopping.Token.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), limit);
        var place = _handshakes.Begin(limit);
        try
        {
            await tls.AuthenticateAsServerAsync(_certificates!.Current, limit.Token).ConfigureAwait(false);
            return tls;
        }
        catch
        {
            await tls.DisposeAsync().ConfigureAwait(false);
            throw;
        }
        finally
        {
            _handshakes.End(place);
        }
    }

    private void End(SocketConnection connection)
    {
        _connections.TryRemove(connection, out _);
        Closed();
    }

    private void Closed()
    {
        _parts.Connections.OnClosed();
        if (Interlocked.Decrement(ref _count) == 0 && _isDraining)
            _drained.TrySetResult();
    }

    private void TickAll()
    {
        foreach (var connection in _connections.Keys)
            connection.Tick();
    }
}
