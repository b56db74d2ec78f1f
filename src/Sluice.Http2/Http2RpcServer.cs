using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Sluice.Http2.Connection;
using Sluice.Http2.Epoll;
using Sluice.Http2.Sockets;
using Sluice.Rpc.Dispatch;
using Sluice.Rpc.Transport;
using Sluice.Tensors;

namespace Sluice.Http2;

/// <summary>Serves gRPC over an HTTP/2 engine of our own: on event loops, or on managed sockets for TLS and where there is no epoll.</summary>
/// <remarks>
/// The first loop accepts and gives each connection to the loop with the fewest. (The kernel's spreading by SO_REUSEPORT would
/// put four connections on one of two loops one time in eight.)
/// </remarks>
public sealed class Http2RpcServer : IRpcServer
{
    private readonly Http2ServerOptions _options;
    private readonly RpcDispatcher _dispatcher;
    private readonly ILogger _logger;
    private readonly TensorBufferPool _memory;
    private readonly EpollLoop[] _loops = [];
    private readonly SocketAcceptor? _acceptor;
    private Socket? _listener;

    /// <summary>Creates a server; nothing listens yet.</summary>
    /// <exception cref="IOException">A certificate cannot be read.</exception>
    public Http2RpcServer(Http2ServerOptions options, RpcDispatcher dispatcher, ILoggerFactory loggers, TimeProvider time)
    {
        _options = options;
        _dispatcher = dispatcher;
        _logger = loggers.CreateLogger<Http2RpcServer>();
        _memory = new TensorBufferPool(new TensorBufferPoolOptions { MaxBytes = options.MemoryBytes }, time);
        var parts = new ConnectionParts(dispatcher, options, _memory, Counters, Connections, time, _logger);
        var certificates = options.Tls is { } tls
            ? new TlsCertificates(tls, SslApplicationProtocol.Http2, time, loggers.CreateLogger<TlsCertificates>())
            : null;
        if (options.UsesSockets || certificates is not null)
            _acceptor = new SocketAcceptor(parts, certificates);
        else
            _loops = [.. Enumerable.Range(0, options.LoopCount).Select(number => new EpollLoop(parts, number))];
    }

    /// <inheritdoc/>
    public ConnectionCounter Connections { get; } = new();

    /// <summary>What the transport has seen.</summary>
    public Http2Counters Counters { get; } = new();

    /// <inheritdoc/>
    public IReadOnlyList<(string Kind, long Count)> Events => Counters.ToList();

    /// <summary>Memory of connections; nothing is rented when no connection has anything half-received or unsent.</summary>
    public TensorBufferPool Memory => _memory;

    /// <inheritdoc/>
    public IReadOnlyList<Uri> Addresses { get; private set; } = [];

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        _listener = Listen();
        Addresses = [AddressOf(_listener.LocalEndPoint!)];
        if (_acceptor is not null)
        {
            _acceptor.Start(_listener);
            Http2Log.ListeningOnSockets(_logger, Addresses[0].ToString(), _options.Tls is null ? "managed sockets" : "TLS");
            return Task.CompletedTask;
        }

        var descriptor = (int)_listener.SafeHandle.DangerousGetHandle();
        _loops[0].Listen(descriptor, _options.EndPoint is IPEndPoint, Assign);
        foreach (var loop in _loops)
            loop.Start();
        Http2Log.Listening(_logger, Addresses[0].ToString(), _loops.Length);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        _dispatcher.StopAccepting();
        if (_listener is null)
            return;
        foreach (var loop in _loops)
            loop.BeginDrain();
        try
        {
            if (_acceptor is not null)
                await _acceptor.StopAsync(cancellationToken).ConfigureAwait(false);
            await Task.WhenAll(_loops.Select(loop => loop.Drained)).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // What still runs is aborted with its connection.
        }

        Close();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_acceptor is not null)
            await _acceptor.DisposeAsync().ConfigureAwait(false);
        Close();
        foreach (var loop in _loops)
            loop.Dispose();
        _memory.Dispose();
    }

    private void Close()
    {
        foreach (var loop in _loops)
            loop.Stop();
        _listener?.Dispose();
        if (_options.EndPoint is UnixDomainSocketEndPoint unix)
            File.Delete(unix.ToString());
    }

    private void Assign(int descriptor)
    {
        var least = _loops[0];
        foreach (var loop in _loops)
        {
            if (loop.ConnectionCount < least.ConnectionCount)
                least = loop;
        }

        least.Adopt(descriptor);
    }

    private Socket Listen()
    {
        try
        {
            var listener = ListenSockets.CreateBound(_options.EndPoint, _options.ReusesPort);
            listener.Listen(_options.Backlog);
            if (_acceptor is null)
                listener.Blocking = false;
            return listener;
        }
        catch (SocketException error)
        {
            throw new IOException($"gRPC cannot listen on {_options.EndPoint}: {error.Message}", error);
        }
    }

    private Uri AddressOf(EndPoint endPoint) =>
        endPoint is IPEndPoint ip ? new Uri($"{(_options.Tls is null ? "http" : "https")}://{ip}") : new Uri($"unix://{endPoint}");
}
