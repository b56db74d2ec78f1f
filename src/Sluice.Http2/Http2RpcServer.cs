using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Sluice.Http2.Epoll;
using Sluice.Rpc.Dispatch;
using Sluice.Rpc.Transport;
using Sluice.Tensors;

namespace Sluice.Http2;

/// <summary>Serves gRPC over an HTTP/2 engine of our own on event loops; Linux only.</summary>
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
    private readonly EpollLoop[] _loops;
    private Socket? _listener;

    /// <summary>Creates a server; nothing listens yet.</summary>
    public Http2RpcServer(Http2ServerOptions options, RpcDispatcher dispatcher, ILoggerFactory loggers, TimeProvider time)
    {
        if (options.Tls is not null)
            throw new IOException("the native gRPC transport has no TLS; --grpc-transport=kestrel has");
        _options = options;
        _dispatcher = dispatcher;
        _logger = loggers.CreateLogger<Http2RpcServer>();
        _memory = new TensorBufferPool(new TensorBufferPoolOptions { MaxBytes = options.MemoryBytes }, time);
        var parts = new EpollLoop.LoopParts(dispatcher, options, _memory, Counters, Connections, time, _logger);
        _loops = [.. Enumerable.Range(0, options.LoopCount).Select(number => new EpollLoop(parts, number))];
    }

    /// <summary>The engine can run here.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux();

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
            await Task.WhenAll(_loops.Select(loop => loop.Drained)).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // What still runs is aborted with its connection.
        }

        Close();
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        Close();
        foreach (var loop in _loops)
            loop.Dispose();
        _memory.Dispose();
        return ValueTask.CompletedTask;
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
            listener.Blocking = false;
            return listener;
        }
        catch (SocketException error)
        {
            throw new IOException($"gRPC cannot listen on {_options.EndPoint}: {error.Message}", error);
        }
    }

    private static Uri AddressOf(EndPoint endPoint) =>
        endPoint is IPEndPoint ip ? new Uri($"http://{ip}") : new Uri($"unix://{endPoint}");
}
